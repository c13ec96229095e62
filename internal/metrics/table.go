package metrics

import (
	"time"

	"meshtask/internal/event"
	"meshtask/internal/usage"
)

// Kind is what Prometheus takes a metric for.
type Kind string

// The kinds.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
)

// Metric is one metric of ours.
type Metric struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string
	tell   func(s Snapshot, put put)
}

// put tells one series, with the values of the labels.
type put func(value float64, labels ...string)

// Table is every metric of ours, in the order of the documentation.
func Table() []Metric {
	var all []Metric
	for _, rows := range [][]Metric{taskRows(), unitRows(), stopRows(), workRows(), processRows()} {
		all = append(all, rows...)
	}
	return all
}

// taskRows are of the task as a whole.
func taskRows() []Metric {
	return []Metric{
		{"meshtask_info", Gauge, []string{"version", "kind", "service"}, "Always 1: the version of meshtask, what it runs (mesh, job, init or sibling), and the service.", func(s Snapshot, put put) {
			put(1, s.Version, s.Kind, s.Service)
		}},
		{"meshtask_up", Gauge, nil, "1 when T2 was reached and no stop began.", func(s Snapshot, put put) { put(truth(s.Up)) }},
		{"meshtask_healthy", Gauge, nil, "1 when the task is up and its app healthy: what `meshtask health` answers.", func(s Snapshot, put put) { put(truth(s.Healthy)) }},
		{"meshtask_state", Gauge, []string{"state"}, "1 for the state that the task is in: starting, running or stopping.", func(s Snapshot, put put) {
			for _, p := range phases() {
				put(truth(p == lower(s.Phase)), p)
			}
		}},
		{"meshtask_uptime_seconds", Gauge, nil, "Seconds since the process began.", func(s Snapshot, put put) { put(s.Uptime.Seconds()) }},
		{"meshtask_condition", Gauge, []string{"name"}, "1 while the condition holds. One that does not apply is absent.", func(s Snapshot, put put) {
			for _, c := range s.Conditions {
				put(truth(c.OK), c.Name)
			}
		}},
		{"meshtask_condition_changed_timestamp_seconds", Gauge, []string{"name"}, "Since when the condition has been as it is, in Unix time.", func(s Snapshot, put put) {
			for _, c := range s.Conditions {
				if !c.Since.IsZero() {
					put(unix(c.Since), c.Name)
				}
			}
		}},
		{"meshtask_mark_seconds", Gauge, []string{"way", "mark"}, "When a mark (T0 to T4) of the way up or down was reached, in seconds since the process began. Absent until then.", func(s Snapshot, put put) {
			for _, way := range []string{event.Up, event.Down} {
				for _, mark := range sortedKeys(s.Marks[way]) {
					put(s.Marks[way][mark]/1000, way, mark)
				}
			}
		}},
		{"meshtask_leases", Gauge, []string{"state"}, "App containers that hold a lease, and those whose lease is lost. Absent where none ever held one.", func(s Snapshot, put put) {
			if s.Leases != nil {
				put(float64(s.Leases.Held), "held")
				put(float64(s.Leases.Lost), "lost")
			}
		}},
	}
}

// unitRows are of each unit.
func unitRows() []Metric {
	return []Metric{
		{"meshtask_unit_up", Gauge, []string{"unit"}, "1 while the unit is up.", func(s Snapshot, put put) {
			for _, u := range s.Units {
				put(truth(u.State == "up"), u.Unit)
			}
		}},
		{"meshtask_unit_state", Gauge, []string{"unit", "state"}, "1 for the state that the unit is in: waiting, starting, up, restarting, stopping or ended.", func(s Snapshot, put put) {
			for _, u := range s.Units {
				for _, state := range states() {
					put(truth(u.State == state), u.Unit, state)
				}
			}
		}},
		{"meshtask_unit_restarts_total", Counter, []string{"unit"}, "Restarts of the unit's process.", func(s Snapshot, put put) {
			for _, u := range s.Units {
				put(float64(u.Restarts), u.Unit)
			}
		}},
		{"meshtask_unit_wait_seconds", Gauge, []string{"unit"}, "For how long the unit has been waiting for something. Absent while it does not wait; the log says what for.", func(s Snapshot, put put) {
			for _, unit := range sortedKeys(s.Waits) {
				put(s.Waits[unit].Seconds(), unit)
			}
		}},
		{"meshtask_unit_kills_total", Counter, []string{"unit"}, "Processes of the unit that were sent KILL because their time was over. Absent for a unit without one.", func(s Snapshot, put put) {
			for _, unit := range sortedKeys(s.Kills) {
				put(float64(s.Kills[unit]), unit)
			}
		}},
	}
}

// stopRows are of the stop.
func stopRows() []Metric {
	return []Metric{
		{"meshtask_stop_budget_seconds", Gauge, nil, "How long a stop may take until what still runs gets KILL.", func(s Snapshot, put put) { put(s.StopBudget.Seconds()) }},
		{"meshtask_stop_elapsed_seconds", Gauge, nil, "Seconds since the stop began; 0 before.", func(s Snapshot, put put) { put(s.Stopping.Seconds()) }},
		{"meshtask_drain_seconds", Gauge, nil, "How long the drain of the inbound listeners took. Absent until it is over.", func(s Snapshot, put put) {
			if s.Drained != nil {
				put((time.Duration(s.Drained.Ms) * time.Millisecond).Seconds())
			}
		}},
		{"meshtask_drain_in_flight", Gauge, nil, "Requests (of tcp: connections) in flight when the drain began. Absent until it is over.", func(s Snapshot, put put) {
			if s.Drained != nil {
				put(float64(s.Drained.Start))
			}
		}},
		{"meshtask_drain_cut", Gauge, nil, "Of these, those that were cut when the drain's time was over. Absent until then.", func(s Snapshot, put put) {
			if s.Drained != nil {
				put(float64(s.Drained.End))
			}
		}},
	}
}

// workRows are of what meshtask itself does.
func workRows() []Metric {
	return []Metric{
		{"meshtask_sync_writes_total", Counter, []string{"result"}, "Check statuses that health-sync wrote to the agent, heartbeats included: ok or failed.", func(s Snapshot, put put) {
			if s.Writes != nil {
				put(float64(s.Writes.OK), "ok")
				put(float64(s.Writes.Failed), "failed")
			}
		}},
		{"meshtask_metadata_requests_total", Counter, []string{"result"}, "Requests to the task metadata endpoint: ok, status (another than 200), timeout, unreachable or malformed. Absent without an endpoint.", func(s Snapshot, put put) {
			for _, result := range sortedKeys(s.Requests) {
				put(float64(s.Requests[result]), result)
			}
		}},
		{"meshtask_log_lines_dropped_total", Counter, nil, "Lines of meshtask's and the children's logs that were dropped because their reader was too slow, or gone.", func(s Snapshot, put put) {
			put(float64(s.LinesLost))
		}},
		{"meshtask_scrape_source_up", Gauge, []string{"source"}, "1 when the source's own metrics follow in this answer. Absent for a source that the task does not have.", func(s Snapshot, put put) {
			for _, one := range s.Sources {
				put(truth(one.Up), one.Name)
			}
		}},
		{"meshtask_scrape_source_seconds", Gauge, []string{"source"}, "How long this answer waited for the source.", func(s Snapshot, put put) {
			for _, one := range s.Sources {
				put(one.Took.Seconds(), one.Name)
			}
		}},
	}
}

// processRows are of processes: ours, and each unit's with its whole process group.
func processRows() []Metric {
	each := func(tell func(u usage.Usage, put func(float64))) func(Snapshot, put) {
		return func(s Snapshot, put put) {
			for _, u := range s.Processes {
				tell(u, func(v float64) { put(v, u.Name) })
			}
		}
	}
	label := []string{"process"}
	return []Metric{
		{"meshtask_processes", Gauge, label, "Running processes of meshtask (always 1), and of the process group of each child.", each(func(u usage.Usage, put func(float64)) {
			put(float64(u.Processes))
		})},
		{"meshtask_process_cpu_seconds_total", Counter, label, "CPU time of meshtask, and of the process group of each child with what has ended in it.", each(func(u usage.Usage, put func(float64)) { put(u.CPU) })},
		{"meshtask_process_resident_memory_bytes", Gauge, label, "Resident memory of meshtask, and of the process group of each child. A page that processes share counts for each.", each(func(u usage.Usage, put func(float64)) {
			put(float64(u.Memory))
		})},
		{"meshtask_process_open_fds", Gauge, label, "Open file descriptors of meshtask, and of the process group of each child. Absent where the kernel does not tell, as for an app of another user.", each(func(u usage.Usage, put func(float64)) {
			if u.Files >= 0 {
				put(float64(u.Files))
			}
		})},
		{"meshtask_out_of_memory_kills_total", Counter, nil, "Processes of this container that the kernel killed for want of memory.", func(s Snapshot, put put) { put(float64(s.OOM)) }},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
