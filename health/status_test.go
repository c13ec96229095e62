package health

import (
	"testing"
	"time"

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

// TestSee plays looks at one container, one after another.
func TestSee(t *testing.T) {
	const hold = 30 * time.Second
	running := func(health string) *Container {
		return &Container{Name: "x", Known: "RUNNING", Health: health, Checked: true}
	}
	type look struct {
		at   time.Duration
		c    *Container
		want string // after `ECS health of container "x": `
	}
	starting, gone, stopped := "starting, not listed yet", "the container has disappeared", "the container is STOPPED"
	noResult, noWord := "UNKNOWN, no result yet", "UNKNOWN for longer than one check interval"
	for _, tc := range []struct {
		name  string
		looks []look
	}{
		{"late, then healthy", []look{{0, nil, starting}, {1, &Container{Known: "PULLED", Checked: true}, noResult}, {2, running(""), noResult}, {3, running("UNKNOWN"), noResult}, {4, running("HEALTHY"), "HEALTHY"}}},
		{"unhealthy and back", []look{{0, running("HEALTHY"), "HEALTHY"}, {1, running("UNHEALTHY"), "UNHEALTHY"}, {2, running("HEALTHY"), "HEALTHY"}}},
		{"unknown outlives a result by one interval", []look{{0, running("HEALTHY"), "HEALTHY"}, {10, running(""), "HEALTHY"}, {39, running("UNKNOWN"), "HEALTHY"}, {40, running(""), noWord}, {41, running(""), noResult}, {42, running("HEALTHY"), "HEALTHY"}}},
		{"a result in between starts the interval anew", []look{{0, running("HEALTHY"), "HEALTHY"}, {10, running(""), "HEALTHY"}, {20, running("HEALTHY"), "HEALTHY"}, {35, running(""), "HEALTHY"}, {64, running(""), "HEALTHY"}, {65, running(""), noWord}}},
		{"unknown keeps a bad result too", []look{{0, running("UNHEALTHY"), "UNHEALTHY"}, {1, running(""), "UNHEALTHY"}, {31, running(""), noWord}}},
		{"disappeared, and back without a result", []look{{0, running("HEALTHY"), "HEALTHY"}, {1, nil, gone}, {2, nil, gone}, {3, running(""), noResult}}},
		{"stopped while its last result is healthy", []look{{0, running("HEALTHY"), "HEALTHY"}, {1, &Container{Known: "STOPPED", Health: "HEALTHY", Checked: true}, stopped}, {2, running(""), noResult}}},
		{"about to be stopped", []look{{0, running("HEALTHY"), "HEALTHY"}, {1, &Container{Desired: "STOPPED", Known: "RUNNING", Health: "HEALTHY", Checked: true}, "the container is being stopped"}}},
		{"no health check at all", []look{{0, &Container{Known: "RUNNING"}, "no health check in the task definition"}, {1, running("HEALTHY"), "HEALTHY"}}},
		{"a word that nobody knows", []look{{0, running("SPLENDID"), noResult}, {1, running("HEALTHY"), "HEALTHY"}, {2, running("SPLENDID"), "HEALTHY"}, {32, running("healthy"), noWord}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			began := time.Unix(1, 0)
			var s sight
			for i, l := range tc.looks {
				var got State
				s, got = s.see("x", l.c, began.Add(l.at*time.Second), hold)
				want := State{Critical, `ECS health of container "x": ` + l.want}
				if l.want == "HEALTHY" {
					want.Status = Passing
				}
				if got != want {
					t.Errorf("look %d at %d s: %v, want %v", i, l.at, got, want)
				}
				if wantSettled := l.c != nil && l.c.Known == "RUNNING" && l.c.Desired == "" && (l.c.Health == "HEALTHY" || l.c.Health == "UNHEALTHY"); s.settled() != wantSettled {
					t.Errorf("look %d: settled %v", i, s.settled())
				}
			}
		})
	}
}
