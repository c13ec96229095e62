package state

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
)

// up is a task with a mesh that is up and well.
func up(s *State) *State {
	return life(s, "consul-agent", event.Start{}, "consul-agent", event.Exec{PID: 2}, "consul-agent", event.Ready{}, "mesh-init", event.Start{}, "mesh-init", event.Registered{},
		"mesh-init", event.Ready{}, "envoy", event.Start{}, "envoy", event.Exec{PID: 3}, "envoy", event.Listener{}, "envoy", event.Ready{},
		"app", event.Start{}, event.Task, event.Mark{Name: "T2"}, "app", event.Exec{PID: 4}, "app", event.Ready{}, "health-sync", event.AppHealthy{}, "health-sync", event.Passing{})
}

// failing are the names of what does not hold, and since how many seconds.
func failing(s *State, now time.Time) string {
	var out []string
	for _, c := range Failing(s.Conditions(now)) {
		if c.Reason == "" || c.Code == "" || c.Since.IsZero() {
			out = append(out, "INCOMPLETE")
		}
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

func TestConditions(t *testing.T) {
	restart := []any{"envoy", event.Exit{PID: 3, Status: 137}, "envoy", event.Restart{Reason: "it was killed", N: 1}}
	for _, c := range []struct {
		name  string
		steps []any
		later time.Duration // from the last entry to now
		want  string
	}{
		{"all is well", nil, 0, ""},
		{"the check of the app fails", []any{"health-sync", event.AppUnhealthy{Reason: "exit code 1", Check: true}, "health-sync", event.Critical{Reason: "exit code 1"}}, 0, "app-healthy checks-passing"},
		{"it passes again", []any{"health-sync", event.AppUnhealthy{Reason: "exit code 1", Check: true}, "health-sync", event.AppHealthy{Check: true}}, 0, ""},
		{"the app is not healthy because it is not ready", []any{"health-sync", event.AppUnhealthy{Reason: "not ready"}}, 0, ""},
		{"Envoy is restarted", restart, 0, "envoy-live listener-bound restarts"},
		{"and serves again", append(slices.Clone(restart), "envoy", event.Serving{Again: true}), 0, "restarts"},
		{"a minute later", append(slices.Clone(restart), "envoy", event.Serving{Again: true}), time.Minute, ""},
		{"the agent hangs", []any{"consul-agent", event.Hung{Err: "no answer for 6 s"}}, 0, "agent-alive"},
		{"a signal stops the app", []any{"app", event.Suspended{Signal: "SIGSTOP", PID: 4}}, 0, "app-ready"},
		{"it goes on", []any{"app", event.Suspended{Signal: "SIGSTOP", PID: 4}, "app", event.Resumed{}}, 0, ""},
		{"it answers", []any{"consul-agent", event.Hung{Err: "no answer for 6 s"}, "consul-agent", event.Answers{}}, 0, ""},
		{"a lease is lost", []any{"app", event.Lease{Name: "cron"}, "app", event.LeaseLost{Name: "cron"}}, 0, "leases"},
		{"it is forgotten", []any{"app", event.Lease{Name: "cron"}, "app", event.LeaseLost{Name: "cron"}, "app", event.LeaseForgotten{Name: "cron"}}, 0, ""},
		{"told by the watch", []any{"envoy", event.Condition{Name: "upstream:api", Code: event.UpstreamNoInstance, Reason: "none"}, "consul-agent", event.Condition{Name: "servers-reachable", Code: event.ServersUnreachable, Reason: "refused"}}, 0,
			"upstream:api servers-reachable"},
		{"told to hold again", []any{"envoy", event.Condition{Name: "upstream:api", Code: event.UpstreamNoInstance, Reason: "none"}, "envoy", event.Condition{Name: "upstream:api", OK: true, Healed: true}}, 0, ""},
		{"a look before the checks pass", []any{"mesh-init", event.Condition{Name: "checks-passing", Code: event.ChecksCritical, Reason: "critical"}, "health-sync", event.Passing{}}, 0, ""},
		{"a look after that", []any{"health-sync", event.Passing{}, "mesh-init", event.Condition{Name: "checks-passing", Code: event.ChecksCritical, Reason: "critical"}}, 0, "checks-passing"},
		{"the servers see what the agent does not", []any{"mesh-init", event.Condition{Name: "registered", Code: event.NotRegistered, Reason: "no check at the servers"}}, 0, "registered"},
	} {
		s := life(up(New("consul-agent", "mesh-init", "envoy", "health-sync", "app")), c.steps...)
		if got := failing(s, s.Last.Add(c.later)); got != c.want {
			t.Errorf("%s: %q does not hold, want %q", c.name, got, c.want)
		}
	}
}

// A condition that does not apply is not there.
func TestWhichConditionsApply(t *testing.T) {
	names := func(s *State) (names []string) {
		for _, c := range s.Conditions(s.Last) {
			names = append(names, c.Name)
		}
		return names
	}
	mesh := up(New("consul-agent", "mesh-init", "envoy", "health-sync", "app"))
	if got, want := names(mesh), []string{"app-ready", "envoy-live", "listener-bound", "agent-alive", "registered", "checks-passing", "restarts"}; !slices.Equal(got, want) {
		t.Errorf("with a mesh %q, want %q", got, want)
	}
	plain := life(New("app"), "app", event.Start{}, event.Task, event.Mark{Name: "T2"}, "app", event.Exec{PID: 4}, "app", event.Ready{})
	if got, want := names(plain), []string{"app-ready", "restarts"}; !slices.Equal(got, want) {
		t.Errorf("without one %q, want %q", got, want)
	}
}

// What was so when the stop began is kept, whatever the stop does.
func TestConditionsAtTheStop(t *testing.T) {
	s := life(up(New()), "health-sync", event.AppUnhealthy{Reason: "exit code 1", Check: true}, event.Task, event.Shutdown{Cause: "TERM"}, "envoy", event.Ended{}, "app", event.Ended{})
	if got := Failing(s.AtStop); len(got) != 1 || got[0].Name != event.CondAppHealthy || got[0].Reason != "exit code 1" {
		t.Errorf("%+v", got)
	}
}
