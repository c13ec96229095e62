package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"meshtask/internal/taskdef"
)

func read(name string, _ int) ([]byte, error) {
	switch name {
	case "image.json":
		return []byte(`{"Config":{"Cmd":["c"]}}`), nil
	case "no.json":
		return []byte(`{}`), nil
	}
	return nil, errors.New("there is no " + name)
}

func TestOptionsAndDescription(t *testing.T) {
	f := Flags{"app": "web", "retry-join": "10.0.0.1,10.0.0.2", "job": "true", "port": "8080", "image-entrypoint": `["/e"]`, "image-config": "image.json",
		"name": "web", "cpu": "512", "memory": "1024", "command": `["a","b c"]`}
	o, err := f.Options(read)
	if err != nil {
		t.Fatal(err)
	}
	want := taskdef.Options{Apps: []string{"web"}, RetryJoin: []string{"10.0.0.1", "10.0.0.2"}, Job: true, Port: 8080, Name: "web",
		Entrypoints: map[string][]string{"web": {"/e"}}, Images: map[string]taskdef.Image{taskdef.OnlyApp: {Cmd: []string{"c"}}}}
	if diff := cmp.Diff(want, o, cmpopts.IgnoreUnexported(taskdef.Options{})); diff != "" {
		t.Error(diff)
	}
	d, err := f.Description(o, nil)
	if diff := cmp.Diff(taskdef.Description{Name: "web", Port: 8080, CPU: 512, Memory: 1024, Command: []string{"a", "b c"}}, d); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if d, err = f.Description(o, []string{"x"}); err != nil || !cmp.Equal(d.Command, []string{"x"}) {
		t.Errorf("what stands behind -- does not win: %v, %v", d.Command, err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		f    Flags
		want string
	}{
		{Flags{"config": "x"}, "--config: there is no x"},
		{Flags{"port": "0"}, `--port: want a number above 0, got "0"`},
		{Flags{"image-cmd": "{"}, "--image-cmd: want"},
		{Flags{"image-config": "image.json,image.json"}, "--image-config: image.json is the second file for one container"},
		{Flags{"image-config": "web=no.json"}, "--image-config: no.json: it has no Config"},
		{Flags{"memory": "much"}, "--memory: want a number"},
	} {
		o, err := c.f.Options(read)
		if err == nil {
			_, err = c.f.Description(o, nil)
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.f, err, c.want)
		}
	}
}
