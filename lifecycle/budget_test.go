package lifecycle

import (
	"strings"
	"testing"
	"time"
)

//go:fix inline

func defaults(stop time.Duration) StopSettings {
	return StopSettings{StopTimeout: stop, Drain: true, Propagation: time.Second}
}

// Whatever the budget, the longest path of shares fits into it, and nobody's
// grace reaches into what the later ones need.
func TestEveryPlanFits(t *testing.T) {
	for _, rows := range []Timeline{Documented(), AgentFirst(), Documented().Without(Token), AgentFirst().Without(Token, Inbound), Agentless(), Agentless().Without(Token),
		Documented().Without(Token, ConsulAgent, MeshInit, Envoy, HealthSync, Inbound)} {
		for stop := 5 * time.Second; stop <= 2*time.Minute; stop += 500 * time.Millisecond {
			p, err := PlanStop(rows, defaults(stop))
			if err != nil {
				t.Fatalf("%v: %v", stop, err)
			}
			if p.path() > p.KillAfter {
				t.Errorf("%v: path %v is longer than %v", stop, p.path(), p.KillAfter)
			}
			for _, r := range rows {
				if g := p.Grace(r.Unit, p.head(r.Unit)); g < p.Share(r.Unit) {
					t.Errorf("%v: %s has %v left when everybody before used all of theirs, its share is %v", stop, r.Unit, g, p.Share(r.Unit))
				}
				if p.Share(r.Unit) <= 0 {
					t.Errorf("%v: %s has no share", stop, r.Unit)
				}
			}
		}
	}
}

func TestTheDefaultPlan(t *testing.T) {
	p, err := PlanStop(Documented(), defaults(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	want := "stop 30s = health-sync ≤2s + propagation 1s + drain ≤9.4s + app ≤9.4s + envoy ≤3s + mesh-init ≤1s + token ≤1s + consul-agent ≤2.5s + end 700ms"
	if got := p.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p.KillAfter != 29300*time.Millisecond {
		t.Errorf("last KILL at %v", p.KillAfter)
	}
}

// What a step leaves unused falls to the next one: an instant drain gives the
// app its share too.
func TestGraceReplansWhenAStepEndsEarly(t *testing.T) {
	p, _ := PlanStop(Documented(), defaults(30*time.Second))
	late, early := p.Grace(App, p.head(App)), p.Grace(App, time.Second)
	if early-late != p.head(App)-time.Second {
		t.Errorf("an early drain gave the app %v, a late one %v", early, late)
	}
	if g := p.Grace(App, time.Hour); g != 0 {
		t.Errorf("grace after the end is %v", g)
	}
}

// A tight budget shrinks the drain before the app before the leave.
func TestTightBudgets(t *testing.T) {
	wide, _ := PlanStop(Documented(), defaults(60*time.Second))
	tight, _ := PlanStop(Documented(), defaults(20*time.Second))
	if tight.Share(ConsulAgent) != wide.Share(ConsulAgent) {
		t.Errorf("the leave shrank to %v", tight.Share(ConsulAgent))
	}
	if tight.DrainMax >= wide.DrainMax || tight.Share(App) >= wide.Share(App) {
		t.Errorf("drain %v and app %v did not shrink", tight.DrainMax, tight.Share(App))
	}
}

func TestGivenValuesAreKeptOrRefused(t *testing.T) {
	s := defaults(30 * time.Second)
	s.Propagation, s.PropagationGiven, s.DrainMax, s.AppTimeout = 3*time.Second, true, new(5*time.Second), new(7*time.Second)
	p, err := PlanStop(Documented(), s)
	if err != nil {
		t.Fatal(err)
	}
	if p.Propagation != 3*time.Second || p.DrainMax != 5*time.Second || p.Share(App) != 7*time.Second {
		t.Errorf("given values changed: %s", p)
	}
	s.DrainMax, s.AppTimeout = new(20*time.Second), new(20*time.Second)
	_, err = PlanStop(Documented(), s)
	for _, number := range []string{"drain.max 20s", "app.stopTimeout 20s", "propagation wait 3s", "45.4s", "30s", "29.3s"} {
		if err == nil || !strings.Contains(err.Error(), number) {
			t.Fatalf("the refusal does not name %s: %v", number, err)
		}
	}
	if _, err := PlanStop(Documented(), defaults(600*time.Millisecond)); err == nil {
		t.Error("a budget below the reserve was planned")
	}
}

func TestNoDrainIsZeroWaits(t *testing.T) {
	s := defaults(30 * time.Second)
	s.Drain = false
	p, err := PlanStop(Documented(), s)
	if err != nil || p.Propagation != 0 || p.DrainMax != 0 || p.Share(Inbound) != 0 {
		t.Errorf("%s, %v", p, err)
	}
}
