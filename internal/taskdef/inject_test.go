package taskdef

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What cannot be injected is refused with the container and what to write.
func TestInjectRefuses(t *testing.T) {
	const bare, run = `{"name":"web","image":"web:1"}`, `{"name":"web","image":"web:1","command":["/w"],"mountPoints":[{"sourceVolume":"v","containerPath":"/mesh/"}]}`
	for name, c := range map[string]struct {
		app, want string
		opt       Options
	}{
		"unknown command": {bare, "container web: the definition names no command, and --inject has to put meshtask before the image's: give --image-config web=FILE", Options{}},
		"no command":      {bare, "container web: its image web:1 has neither ENTRYPOINT nor CMD", Options{Images: map[string]Image{OnlyApp: {}}}},
		"taken":           {run, "container web mounts v at /mesh/", Options{}},
		"relative":        {run, "--binary: with --inject want DIR/meshtask", Options{Binary: "meshtask"}},
		"single":          {run, "--inject: layout single", Options{Layout: Single}},
		"job":             {run, "a job is one container", Options{Job: true}},
		"said twice":      {run, "--image-config: container web is given twice", Options{Images: map[string]Image{OnlyApp: {}, "web": {}}}},
		"other container": {run, `--image-config: "x" is no app container: web`, Options{Images: map[string]Image{"x": {}}}},
	} {
		c.opt.Inject, c.opt.RetryJoin = true, []string{"10.0.0.1"}
		if _, err := Convert([]byte(`{"family":"web","networkMode":"awsvpc","containerDefinitions":[`+c.app+`]}`), c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// An image's configuration is read as docker and as registries have it.
func TestReadImage(t *testing.T) {
	want := Image{Entrypoint: []string{"/e"}, Cmd: []string{"c"}, StopSignal: "SIGQUIT"}
	const body = `{"Entrypoint":["/e"],"Cmd":["c"],"StopSignal":"SIGQUIT"}`
	for _, text := range []string{`[{"Config":` + body + `}]`, `{"Config":` + body + `}`, `{"architecture":"amd64","config":` + body + `}`} {
		got, err := ReadImage([]byte(text))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for text, part := range map[string]string{
		`[]`: "0 images", `[{},{}]`: "2 images", `{}`: "no Config", `x`: "invalid character",
		`{"config":{"digest":"sha256:1"}}`: "want its config, blob sha256:1", `{"Config":{"Cmd":"x"}}`: "cannot unmarshal",
	} {
		if _, err := ReadImage([]byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v, want %q", text, err, part)
		}
	}
}
