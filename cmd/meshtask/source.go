package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"meshtask/internal/journal"
)

// The task is the Source of its own admin API.

// Up says whether T2 was reached and no stop began.
func (t *task) Up() bool { return t.reached.Load() && !t.stopping.Load() }

// Health says whether the task is up and its app healthy, and if not, why.
func (t *task) Health() (ok bool, why string) {
	switch {
	case t.stopping.Load():
		return false, "the task is stopping"
	case !t.reached.Load():
		return false, "the task is starting" + t.waitText()
	case t.mesh == nil:
		return true, ""
	}
	return t.mesh.health()
}

// waitText names the longest wait, for a one-line answer.
func (t *task) waitText() string {
	waits := t.waits.now()
	units := inOrder(waits)
	if len(units) == 0 {
		return ""
	}
	w := waits[units[0]]
	text := fmt.Sprintf(": %s waits for %s", units[0], w.What)
	if w.Err != "" {
		text += " (" + w.Err + ")"
	}
	return text
}

// inOrder are the units that wait, the longest wait first.
func inOrder(waits map[string]wait) []string {
	return slices.SortedFunc(maps.Keys(waits), func(a, b string) int {
		return cmp.Or(waits[a].Since.Compare(waits[b].Since), cmp.Compare(a, b))
	})
}

// status is what `meshtask status --json` prints.
type status struct {
	Service  string          `json:"service,omitempty"`
	Task     string          `json:"task,omitempty"`
	State    string          `json:"state"` // STARTING, RUNNING, STOPPING
	Uptime   string          `json:"uptime"`
	Budget   string          `json:"budget"`
	Units    []journal.Unit  `json:"units"`
	Waiting  map[string]wait `json:"waiting,omitempty"`
	Health   any             `json:"health,omitempty"`
	Summary  json.RawMessage `json:"summary"`
	Timeline []journal.Entry `json:"timeline"`
}

// Status is the live state.
func (t *task) Status() any {
	s := status{Service: t.cfg.Service.Name, Task: t.cfg.Task.ID, State: "STARTING", Budget: t.budget.String(),
		Uptime: time.Since(t.w.begin).Round(time.Second).String(), Units: t.alive.Units(), Waiting: t.waits.now(), Timeline: t.book.Entries()}
	switch {
	case t.stopping.Load():
		s.State = "STOPPING"
	case t.reached.Load():
		s.State = "RUNNING"
	}
	t.book.Read(func() { s.Summary = json.RawMessage(t.summary.Line()) })
	if t.mesh != nil {
		s.Health = t.mesh.sync.Snapshot()
	}
	return s
}

// Metrics is the state in Prometheus' text format. It is written by hand: the
// client library's initialisation would be paid by every `run --no-mesh`.
func (t *task) Metrics() []byte {
	var b bytes.Buffer
	metric := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	truth := map[bool]int{true: 1}
	metric("meshtask_up", "gauge", "1 when T2 was reached and no stop began.")
	fmt.Fprintf(&b, "meshtask_up %d\n", truth[t.Up()])
	ok, _ := t.Health()
	metric("meshtask_healthy", "gauge", "1 when the task is up and its app healthy.")
	fmt.Fprintf(&b, "meshtask_healthy %d\n", truth[ok])
	units := t.alive.Units()
	metric("meshtask_unit_up", "gauge", "1 while the unit is up.")
	for _, u := range units {
		fmt.Fprintf(&b, "meshtask_unit_up{unit=%q} %d\n", u.Unit, truth[u.State == "up"])
	}
	metric("meshtask_unit_restarts_total", "counter", "Restarts of the unit's process.")
	for _, u := range units {
		fmt.Fprintf(&b, "meshtask_unit_restarts_total{unit=%q} %d\n", u.Unit, u.Restarts)
	}
	metric("meshtask_uptime_seconds", "gauge", "Seconds since the process began.")
	fmt.Fprintf(&b, "meshtask_uptime_seconds %.3f\n", time.Since(t.w.begin).Seconds())
	return b.Bytes()
}
