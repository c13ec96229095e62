package taskdef

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// In siblings the only app's check is ECS's, in its own container: an address is asked by this
// very program, so that the image needs nothing. Consul gets it by way of the container's health.
func TestSiblingsHealth(t *testing.T) {
	for health, want := range map[string][]string{
		"http://127.0.0.1:8080/health":    {"CMD", "/mesh/meshtask", "probe", "http://127.0.0.1:8080/health"},
		"tcp://127.0.0.1:8080":            {"CMD", "/mesh/meshtask", "probe", "tcp://127.0.0.1:8080"},
		"grpc://127.0.0.1:8080/shop.Cart": {"CMD", "/mesh/meshtask", "probe", "grpc://127.0.0.1:8080/shop.Cart"},
		"/web check":                      {"CMD-SHELL", "/web check"},
	} {
		r, err := Render(Description{Name: "web", Image: "web:1", Port: 8080, Command: []string{"/web"}, Health: health},
			Options{RetryJoin: []string{"10.0.0.1"}, Inject: true, MeshImage: "mesh:1"})
		if err != nil {
			t.Errorf("%s: %v", health, err)
			continue
		}
		in := register(t, r.New)
		app, mesh := in.ContainerDefinitions[0], in.ContainerDefinitions[1]
		if !slices.Equal(app.HealthCheck.Command, want) {
			t.Errorf("%s: the app's check is %q", health, app.HealthCheck.Command)
		}
		if got := *mesh.Environment[0].Value; !strings.Contains(got, `"healthSyncContainers":["web"]`) || strings.Contains(got, `"health":`) {
			t.Errorf("%s: the configuration is %s", health, got)
		}
		whole(t, r)
	}
}

// The times go with the question, and the check's first failures do not count before the mesh may be up. What the
// definition had gives way, and Consul had another check already.
func TestSiblingsHealthOfConfig(t *testing.T) {
	const in = `{"family":"shop","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"512","containerDefinitions":[
		{"name":"web","image":"w","command":["/w"],"portMappings":[{"containerPort":8080}],"healthCheck":{"command":["CMD-SHELL","curl -f localhost"]}}%s]}`
	o := Options{Layout: Siblings, RetryJoin: []string{"10.0.0.1"}, Config: []byte(`{"health":{"app":{"tcp":"127.0.0.1:8080","interval":10,"startPeriod":40}}}`)}
	r := convert(t, fmt.Appendf(nil, in, ""), o)
	check := register(t, r.New).ContainerDefinitions[0].HealthCheck
	if got := strings.Join(check.Command, " "); got != "CMD meshtask probe tcp://127.0.0.1:8080" || *check.Interval != 10 || *check.StartPeriod != checkStart+40 {
		t.Errorf("the check is %s, every %d s from %d s on", got, *check.Interval, *check.StartPeriod)
	}
	if said := fmt.Sprint(r.Findings); !strings.Contains(said, "healthCheck: is health.app of the configuration, which ECS asks in this container, instead of the definition's own") {
		t.Errorf("nobody is told: %s", said)
	}
	whole(t, r)
	two := convert(t, fmt.Appendf(nil, in, `,{"name":"api","image":"a","command":["/a"]}`), o)
	apps := register(t, two.New).ContainerDefinitions
	if apps[0].HealthCheck.Command[0] != "CMD-SHELL" || apps[1].HealthCheck != nil || !strings.Contains(*apps[2].Environment[0].Value, `"health":{"app":`) {
		t.Errorf("of two apps, nobody says whose health.app is: %s", two.New)
	}
}

// ECS takes ten containers: what ours make of nine or ten is refused with what to do.
func TestTooManyContainers(t *testing.T) {
	definition := func(n int) []byte {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"name":"c%d","image":"i","command":["/c"]}`, i))
		}
		return []byte(`{"family":"shop","networkMode":"awsvpc","containerDefinitions":[` + strings.Join(list, ",") + `]}`)
	}
	o := Options{RetryJoin: []string{"10.0.0.1"}, Layout: Siblings, MeshImage: "mesh:1"}
	injected := o
	injected.Inject = true
	for _, c := range []struct {
		n    int
		o    Options
		want []string
	}{
		{9, o, nil},
		{8, injected, nil},
		{10, o, []string{"would have 11 containers, and ECS takes 10", "c8, c9 of the definition and, added, meshtask:", "merge or remove"}},
		{9, injected, []string{"11 containers", "added, meshtask and meshtask-install:", "leave out --inject"}},
		{10, injected, []string{"12 containers", "merge or remove as many, or make two task definitions"}},
	} {
		_, err := Convert(definition(c.n), c.o)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%d containers, inject %v: %v", c.n, c.o.Inject, err)
		}
		for _, part := range c.want {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%d containers, inject %v: %v, want %q", c.n, c.o.Inject, err, part)
			}
		}
	}
}

// STOPSIGNAL becomes a variable, which wins over the configuration: where that has app.stopOn
// itself, it stays as it is, and a signal that it lacks is named.
func TestStopOnOfConfig(t *testing.T) {
	const in = `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"]}]}`
	for stopOn, told := range map[string]bool{`["SIGWINCH"]`: false, `["USR2","WINCH"]`: false, `["USR1"]`: true, `[]`: true} {
		r := convert(t, []byte(in), Options{Layout: Single, RetryJoin: []string{"10.0.0.1"}, Images: map[string]Image{OnlyApp: {StopSignal: "SIGWINCH"}}, Config: []byte(`{"app":{"stopOn":` + stopOn + `}}`)})
		if got := string(r.New); strings.Contains(got, "MESHTASK_STOP_ON") {
			t.Errorf("%s is overridden: %s", stopOn, got)
		}
		if said := fmt.Sprint(r.Findings); strings.Contains(said, "without the image's STOPSIGNAL SIGWINCH") != told {
			t.Errorf("%s: %s", stopOn, said)
		}
	}
}
