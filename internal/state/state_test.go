package state

import (
	"testing"
	"time"

	"meshtask/internal/event"
)

// life is a record: what happened to which unit, a second apart.
func life(s *State, steps ...any) *State {
	at := time.Unix(1000, 0)
	for i := 0; i+1 < len(steps); i += 2 {
		at = at.Add(time.Second)
		way := event.Up
		if s.Stopping {
			way = event.Down
		}
		s.Apply(event.Entry{At: at, Ms: float64(1000 * i), Way: way, Unit: steps[i].(string), Event: steps[i+1].(event.Event)})
	}
	return s
}

func TestAUnitThatBacksOffIsNotUp(t *testing.T) {
	s := life(New("envoy"), "envoy", event.Start{}, "envoy", event.Exec{PID: 31}, "envoy", event.Serving{}, "envoy", event.Ready{})
	if u := s.Unit("envoy"); u.State != Running || u.PID != 31 {
		t.Fatalf("after its ready: %+v", u)
	}
	life(s, "envoy", event.Exit{PID: 31, Status: 139})
	if u := s.Unit("envoy"); u.State != Restarting || u.PID != 0 {
		t.Errorf("after its end: %+v", u)
	}
	life(s, "envoy", event.Restart{Reason: "SIGSEGV", N: 1}, "envoy", event.Exec{PID: 32})
	if u := s.Unit("envoy"); u.State != Restarting || u.PID != 32 || u.Restarts != 1 || u.LastError != "SIGSEGV" {
		t.Errorf("before the next life is ready: %+v", u)
	}
	life(s, "envoy", event.Serving{})
	if u := s.Unit("envoy"); u.State != Running || u.Again.IsZero() {
		t.Errorf("after the next life is ready: %+v", u)
	}
}

func TestAUnitThatHangsIsNotUp(t *testing.T) {
	s := life(New("envoy"), "envoy", event.Start{}, "envoy", event.Ready{}, "envoy", event.Hung{Err: "no answer for 6 s"})
	if u := s.Unit("envoy"); u.State == Running || !u.Hangs || u.LastError == "" {
		t.Errorf("%+v", u)
	}
	life(s, "envoy", event.Answers{})
	if u := s.Unit("envoy"); u.State != Running || u.Hangs {
		t.Errorf("when it answers again: %+v", u)
	}
	life(s, "envoy", event.Stop{}, "envoy", event.Hung{}, "envoy", event.Ended{})
	if u := s.Unit("envoy"); u.State != Ended {
		t.Errorf("when it has ended: %+v", u)
	}
}

func TestAnAppThatIsStoppedIsNotUp(t *testing.T) {
	s := life(New("app"), "app", event.Start{}, "app", event.Ready{}, "app", event.Suspended{Signal: "SIGTTIN", PID: 3})
	if u := s.Unit("app"); u.State == Running || !u.Suspended || u.LastError != "stopped by SIGTTIN" {
		t.Errorf("%+v", u)
	}
	life(s, "app", event.Resumed{})
	if u := s.Unit("app"); u.State != Running || u.Suspended {
		t.Errorf("when it goes on: %+v", u)
	}
	life(s, "app", event.Suspended{Signal: "SIGSTOP", PID: 3}, "app", event.Exit{PID: 3})
	if u := s.Unit("app"); u.Suspended {
		t.Errorf("when it has ended: %+v", u)
	}
	if u := life(New("app"), "app", event.Start{}, "app", event.Suspended{Signal: "SIGSTOP"}, "app", event.Resumed{}).Unit("app"); u.State != Starting {
		t.Errorf("before it is ready: %+v", u)
	}
}

func TestWhetherTheInstanceIsInTheCatalog(t *testing.T) {
	s := life(New(), "mesh-init", event.Registered{}, "health-sync", event.Passing{})
	if s.Removed {
		t.Error("a registered instance is out of the catalog")
	}
	if life(s, "health-sync", event.Removed{}); !s.Removed {
		t.Error("a removed one is in it")
	}
}

func TestTheSummarySkipsWhatNeverWas(t *testing.T) {
	s := life(New("consul-agent", "mesh-init"), event.Task, event.Shutdown{Cause: "TERM"}, event.Task, event.Finish{Cause: "TERM", Code: 143})
	if s.Summary.Deregistered != Skipped || s.Summary.Left != Skipped || s.Summary.Exit != 143 || s.Summary.Reason != "TERM" {
		t.Errorf("%+v", s.Summary)
	}
}

func TestAWaitBelongsToItsUnitUntilItIsOver(t *testing.T) {
	s := life(New("token"), "token", event.Start{}, "token", event.Waiting{What: "a secret", Err: "empty", Since: 5 * time.Second, Said: 1}, event.Task, event.Waiting{What: "the endpoint"})
	w := s.Unit("token").Wait
	if w == nil || w.What != "a secret" || s.Last.Sub(w.Since) != 6*time.Second || s.Unit(event.Task).Wait == nil {
		t.Fatalf("%+v", w)
	}
	if life(s, "token", event.WaitOver{}); s.Unit("token").Wait != nil || s.Unit("token").Waited == nil {
		t.Error("it waits still, or the record has forgotten it")
	}
}
