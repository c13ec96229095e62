package drawing

import (
	"time"

	"meshtask/internal/event"
)

// told makes entries: each line is a time in ms, a unit and an event; those of marks name way
// and mark. From the shutdown on the way is down.
type told struct{ entries []event.Entry }

func (t *told) at(ms float64, unit string, events ...event.Event) {
	way := event.Up
	for _, e := range t.entries {
		if _, down := e.Event.(event.Shutdown); down {
			way = event.Down
		}
	}
	for _, e := range events {
		if _, down := e.(event.Shutdown); down {
			way = event.Down
		}
		entry := event.Entry{At: began().Add(time.Duration(ms * 1e6)), Ms: ms, Way: way, Unit: unit, Event: e}
		if m, ok := e.(event.Mark); ok {
			entry.Mark = m.Name
		}
		t.entries = append(t.entries, entry)
	}
}

func began() time.Time { return time.Date(2026, 11, 30, 1, 2, 27, 0, time.UTC) }

func marked(name string) event.Event { return event.Mark{Name: name} }

// starts is the way up of a mesh task.
func (t *told) starts(app bool) {
	t.at(274.7, "consul-agent", event.Start{})
	t.at(275, event.Task, marked("T0"))
	t.at(278, "consul-agent", event.Exec{PID: 9})
	t.at(423, "consul-agent", event.Joined{}, event.Serving{}, event.Ready{})
	t.at(423.4, "mesh-init", event.Start{})
	t.at(460, "mesh-init", event.Registered{Service: "web"})
	t.at(461, "mesh-init", event.Ready{})
	t.at(461.5, event.Task, marked("T1"))
	t.at(461.6, "envoy", event.Start{})
	t.at(461.6, "health-sync", event.Start{})
	t.at(473, "health-sync", event.Ready{})
	t.at(638, "envoy", event.Listener{}, event.Serving{}, event.Ready{})
	t.at(638.6, "inbound", event.Start{})
	if app {
		t.at(638.6, "app", event.Start{})
		t.at(641, "app", event.Exec{PID: 10})
		t.at(641.6, event.Task, marked("T2"))
		t.at(652, "app", event.Serving{}, event.Ready{})
	} else {
		t.at(638.7, event.Task, marked("T2"))
	}
	t.at(655, "inbound", event.Ready{})
	t.at(667, "health-sync", event.Passing{})
}

// stops is the way down from then on.
func (t *told) stops(from float64, cause string) {
	t.at(from, event.Task, event.Shutdown{Cause: cause}, marked("T0"))
	t.at(from+0.1, "health-sync", event.Stop{})
	t.at(from+7, "health-sync", event.Critical{})
	t.at(from+10, "health-sync", event.Removed{}, event.Ended{})
	t.at(from+10, "inbound", event.Stop{})
	t.at(from+1339, "inbound", event.Drained{}, event.Ended{})
	if cause == "TERM" {
		t.at(from+1339, "app", event.Stop{})
		t.at(from+1343, "app", event.Exit{PID: 10}, event.Ended{})
	}
	t.at(from+1343, "envoy", event.Stop{})
	t.at(from+1354, "envoy", event.Exit{PID: 11}, event.Ended{})
	t.at(from+1354, event.Task, marked("T1"))
	t.at(from+1354, "mesh-init", event.Stop{})
	t.at(from+1367, "mesh-init", event.Deregistered{Result: "verified"}, event.Ended{})
	t.at(from+1367, "consul-agent", event.Stop{})
	t.at(from+3205, "consul-agent", event.Left{Result: "verified"}, event.Exit{PID: 9}, event.Ended{})
	t.at(from+3205, event.Task, marked("T2"), marked("T3"))
	t.at(from+3214, event.Task, event.Finish{Cause: cause})
}

func (t *told) restarts(unit string, at, took float64) {
	t.at(at, unit, event.Exit{PID: 11, Status: 137, Signal: "SIGKILL"}, event.Restart{Reason: "it ended", N: 1, Max: 5})
	t.at(at+took, unit, event.Serving{Again: true})
}

// lives are those of which the picture is to be good.
func lives() map[string]func(*told) {
	return map[string]func(*told){
		"short":   func(t *told) { t.starts(true); t.stops(5120, "TERM") },
		"instant": func(t *told) { t.starts(true); t.stops(668, "TERM") },
		"restart": func(t *told) { t.starts(true); t.restarts("envoy", 4336, 176); t.stops(9200, "TERM") },
		"long":    func(t *told) { t.starts(true); t.stops(2*3600e3, "TERM") },
		"long, with restarts": func(t *told) {
			t.starts(true)
			for _, at := range []float64{600e3, 1800e3, 1801e3, 5000e3, 6000e3} {
				t.restarts("envoy", at, 300)
			}
			t.restarts("consul-agent", 6000.2e3, 900)
			t.stops(2*3600e3, "TERM")
		},
		"deaf": func(t *told) {
			t.starts(true)
			t.at(60e3, event.Task, event.Shutdown{Cause: "TERM"}, marked("T0"))
			t.at(60e3, "health-sync", event.Stop{}, event.Removed{}, event.Ended{})
			t.at(60e3, "inbound", event.Stop{})
			t.at(61.3e3, "inbound", event.Ended{})
			t.at(61.3e3, "app", event.Stop{})
			t.at(71.2e3, "app", event.Killed{Name: "app", PID: 10}, event.Exit{PID: 10, Signal: "SIGKILL"}, event.Ended{})
			t.at(71.3e3, "envoy", event.Stop{}, event.Ended{})
			t.at(71.3e3, event.Task, marked("T1"))
			t.at(71.3e3, "mesh-init", event.Stop{}, event.Ended{})
			t.at(71.4e3, "consul-agent", event.Stop{})
			t.at(89.3e3, "consul-agent", event.Killed{Name: "consul-agent", PID: 9}, event.Ended{})
			t.at(89.3e3, event.Task, marked("T2"), marked("T3"), marked("T4"))
			t.at(89.3e3, event.Task, event.Finish{Cause: "TERM", Code: 137})
		},
		"job": func(t *told) {
			t.starts(true)
			t.at(1200, "app", event.Exit{PID: 10}, event.Ended{})
			t.stops(1201, "app: app exited with 0")
		},
		"no mesh": func(t *told) {
			t.at(1.2, "app", event.Start{})
			t.at(1.3, event.Task, marked("T0"))
			t.at(2.1, "app", event.Exec{PID: 10}, event.Serving{}, event.Ready{})
			t.at(2.1, event.Task, marked("T2"))
			t.at(31, "app", event.Exit{PID: 10})
			t.at(31, event.Task, event.Shutdown{Cause: "app: it ended"}, marked("T0"))
			t.at(31.1, "app", event.Ended{})
			t.at(31.2, event.Task, marked("T3"), event.Finish{Code: 3})
		},
		"siblings": func(t *told) {
			t.starts(false)
			t.at(700, "app", event.Start{})
			t.at(41e3, "app", event.Lease{Name: "web"}, event.Ready{})
			t.at(41.1e3, "health-sync", event.AppHealthy{}, event.Passing{})
			t.at(3600e3, "app", event.LeaseEnded{Name: "web"})
			t.stops(3600e3, "TERM")
		},
		"failed start": func(t *told) {
			t.at(40, "consul-agent", event.Start{})
			t.at(40, event.Task, marked("T0"))
			t.at(43, "consul-agent", event.Exec{PID: 9})
			for n := 1; n <= 24; n++ {
				t.at(float64(40+n*5000), "consul-agent", event.Waiting{What: "the agent to join", Said: n})
			}
			t.at(120.04e3, event.Task, event.Shutdown{Cause: "consul-agent: no server answers"}, marked("T0"))
			t.at(120.06e3, "consul-agent", event.Exit{PID: 9}, event.Ended{Err: "no server answers"})
			t.at(120.06e3, event.Task, marked("T2"), marked("T3"))
			t.at(120.07e3, event.Task, event.Finish{Cause: "no server answers", Code: 202})
		},
		"failed at once": func(t *told) {
			t.at(40, "consul-agent", event.Start{})
			t.at(40, event.Task, marked("T0"))
			t.at(51, "consul-agent", event.Exec{PID: 9}, event.Exit{PID: 9, Status: 1}, event.Ended{Err: "exit 1"})
			t.at(51, event.Task, event.Shutdown{Cause: "consul-agent: exit 1"}, marked("T0"), marked("T2"), marked("T3"))
			t.at(51, event.Task, event.Finish{Cause: "exit 1", Code: 202})
		},
		"only begun": func(t *told) { t.at(3, "app", event.Start{}) },
		"nothing":    func(*told) {},
		"names of others": func(t *told) {
			t.starts(true)
			t.at(700, "a unit with a name that goes on and on, longer than anybody would read", event.Start{}, event.Ready{})
			t.at(701, "単位の名前", event.Start{}, event.Ready{})
			t.stops(900, "a cause that is longer than any line of this picture could ever be, whatever its reader does with it, and then some more of it")
		},
	}
}
