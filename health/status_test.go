package health

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDesired walks the whole truth table of one probed check.
func TestDesired(t *testing.T) {
	words := map[string]*State{
		"none":      nil,
		"healthy":   {Passing, "fine"},
		"unhealthy": {Critical, "bad"},
	}
	for _, latched := range []bool{false, true} {
		for _, never := range []bool{false, true} {
			for _, envoy := range []bool{false, true} {
				for _, app := range []bool{false, true} {
					for name, word := range words {
						f := Facts{Latched: latched, Never: never, Envoy: envoy, App: app, Health: map[string]State{}}
						if word != nil {
							f.Health["app"] = *word
						}
						got := Desired(f, []Check{{ID: "c", Container: "app", Origin: FromProbe}})["c"]
						open := !latched && !never && envoy && app
						if pass := open && name == "healthy"; (got.Status == Passing) != pass {
							t.Errorf("latched %v never %v envoy %v app %v health %s: %v", latched, never, envoy, app, name, got)
						}
						plain := Desired(f, []Check{{ID: "c", Container: "app"}})["c"]
						if (plain.Status == Passing) != open {
							t.Errorf("latched %v never %v envoy %v app %v, no health check: %v", latched, never, envoy, app, plain)
						}
					}
				}
			}
		}
	}
}

func TestDesiredReasons(t *testing.T) {
	checks := []Check{{ID: "a", Container: "a", Origin: FromSibling}, {ID: "b", Container: "b", Origin: FromSibling}}
	health := map[string]State{"a": {Passing, "a is fine"}}
	up := Facts{Envoy: true, App: true, Health: health}
	for _, tc := range []struct {
		name    string
		facts   Facts
		a, b    State
		overall State
	}{
		{"nothing is up", Facts{Health: health}, State{Critical, reasonEnvoy}, State{Critical, reasonEnvoy}, State{Critical, reasonEnvoy}},
		{"the app is missing", Facts{Envoy: true, Health: health}, State{Critical, reasonApp}, State{Critical, reasonApp}, State{Critical, reasonApp}},
		{"one container is missing", up, State{Passing, "a is fine"}, State{Critical, reasonNoWord}, State{Critical, reasonNoWord}},
		{"job", Facts{Envoy: true, App: true, Never: true, Health: health}, State{Critical, reasonNever}, State{Critical, reasonNever}, State{Critical, reasonNever}},
		{"stopping", Facts{Envoy: true, App: true, Latched: true, Health: health}, State{Critical, reasonStopping}, State{Critical, reasonStopping}, State{Critical, reasonStopping}},
	} {
		got := Desired(tc.facts, checks)
		if diff := cmp.Diff(map[string]State{"a": tc.a, "b": tc.b}, got); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
		if diff := cmp.Diff(tc.overall, Overall(got)); diff != "" {
			t.Errorf("%s, overall:\n%s", tc.name, diff)
		}
	}
	if got := Overall(map[string]State{"a": {Passing, "x"}}); got.Status != Passing {
		t.Errorf("all passing: overall %v", got)
	}
	if got := Overall(map[string]State{"b": {Critical, "second"}, "a": {Critical, "first"}, "0": {Passing, ""}}); got.Output != "first" {
		t.Errorf("overall names %q, want the first critical check in order", got.Output)
	}
}

func TestDiff(t *testing.T) {
	p, c := State{Passing, "p"}, State{Critical, "c"}
	for _, tc := range []struct {
		name             string
		written, desired map[string]State
		want             []Write
	}{
		{"nothing written yet", nil, map[string]State{"x": p, "a": p}, []Write{{"a", p, true}, {"x", p, true}}},
		{"unchanged", map[string]State{"x": p}, map[string]State{"x": p}, nil},
		{"turned", map[string]State{"x": p}, map[string]State{"x": c}, []Write{{"x", c, true}}},
		{"another output only", map[string]State{"x": p}, map[string]State{"x": {Passing, "q"}}, []Write{{"x", State{Passing, "q"}, false}}},
		{"critical first", nil, map[string]State{"a": p, "z": c}, []Write{{"z", c, true}, {"a", p, true}}},
		{"written but not desired is left alone", map[string]State{"x": c, "y": p}, map[string]State{"y": p}, nil},
	} {
		if diff := cmp.Diff(tc.want, Diff(tc.written, tc.desired)); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}

// TestLook plays looks at one container, one after another: only HEALTHY passes, and
// what was said before does not count.
func TestLook(t *testing.T) {
	running := func(health string) *Container {
		return &Container{Name: "x", Known: "RUNNING", Health: health, Checked: true}
	}
	type step struct {
		c    *Container
		want string // after `ECS health of container "x": `
	}
	starting, gone, stopped := "starting, not listed yet", "the container has disappeared", "the container is STOPPED"
	noResult := "UNKNOWN, no result"
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"late, then healthy", []step{{nil, starting}, {&Container{Known: "PULLED", Checked: true}, noResult}, {running(""), noResult}, {running("UNKNOWN"), noResult}, {running("HEALTHY"), "HEALTHY"}}},
		{"unhealthy and back", []step{{running("HEALTHY"), "HEALTHY"}, {running("UNHEALTHY"), "UNHEALTHY"}, {running("HEALTHY"), "HEALTHY"}}},
		{"unknown after healthy", []step{{running("HEALTHY"), "HEALTHY"}, {running("UNKNOWN"), noResult}, {running("HEALTHY"), "HEALTHY"}}},
		{"no status after healthy", []step{{running("HEALTHY"), "HEALTHY"}, {running(""), noResult}}},
		{"no health object after healthy", []step{{running("HEALTHY"), "HEALTHY"}, {&Container{Known: "RUNNING"}, "no health check in the task definition"}}},
		{"disappeared, and back without a result", []step{{running("HEALTHY"), "HEALTHY"}, {nil, gone}, {nil, gone}, {running(""), noResult}}},
		{"stopped while its last result is healthy", []step{{running("HEALTHY"), "HEALTHY"}, {&Container{Known: "STOPPED", Health: "HEALTHY", Checked: true}, stopped}, {running(""), noResult}}},
		{"about to be stopped", []step{{running("HEALTHY"), "HEALTHY"}, {&Container{Desired: "STOPPED", Known: "RUNNING", Health: "HEALTHY", Checked: true}, "the container is being stopped"}}},
		{"no health check at all", []step{{&Container{Known: "RUNNING"}, "no health check in the task definition"}, {running("HEALTHY"), "HEALTHY"}}},
		{"a word that nobody knows", []step{{running("SPLENDID"), `"SPLENDID", which is no word of ECS`}, {running("HEALTHY"), "HEALTHY"}, {running("healthy"), `"healthy", which is no word of ECS`}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s seen
			for i, l := range tc.steps {
				s = look("x", s.listed, l.c)
				want := State{Critical, `ECS health of container "x": ` + l.want}
				if l.want == "HEALTHY" {
					want.Status = Passing
				}
				if s.state != want || s.hasResult != (l.want == "HEALTHY" || l.want == "UNHEALTHY") || s.unchecked != (l.want == "no health check in the task definition") {
					t.Errorf("step %d: %+v, want %v", i, s, want)
				}
			}
		})
	}
}
