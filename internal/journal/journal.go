// Package journal is the record of one task's life: every event in order, with its time. The
// log, timeline.jsonl and the state are derived from it; nothing else keeps a history. It
// reads a life back as well, from timeline.jsonl or from a log.
//
// It knows nothing of its reporters, and judges nothing.
package journal

import (
	"sync"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// Labels are a unit's labels in the record: the marks of its row on either way.
type Labels struct{ Up, Down string }

// Journal takes events from any goroutine, in one order for all: it stamps each, folds it into
// the state and hands it to the sinks, behind one lock.
type Journal struct {
	begin  time.Time
	follow func(event.Entry) []event.Mark
	sinks  []func(event.Entry)

	mu      sync.Mutex
	labels  map[string]Labels
	state   *state.State
	entries []event.Entry
	dropped int // entries that were there before the first of these
}

// New is a journal whose Ms count from begin. Sinks must not block and must not call it.
func New(begin time.Time, sinks ...func(event.Entry)) *Journal {
	return &Journal{begin: begin, sinks: sinks, state: state.New()}
}

// Rows tells the units of the life, in the order in which they are shown, with their labels.
// follow tells which marks an entry reaches; they are recorded right behind it. Call Rows
// once, before the first unit reports.
func (j *Journal) Rows(units []string, labels map[string]Labels, follow func(event.Entry) []event.Mark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.labels, j.follow = labels, follow
	for _, u := range units {
		j.state.Units = append(j.state.Units, &state.Unit{Unit: u, State: state.Waiting})
	}
}

// Report is what a unit reports with.
func (j *Journal) Report(unit string) event.Report {
	return func(e event.Event) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.record(unit, e)
	}
}

// keep bounds what is held in memory; a task that restarts its children for months must not
// grow. What a summary needs beyond it is counted by the state.
const keep = 512

// record stamps and hands on. An entry's way is that of its place in the record: a Shutdown
// and all that comes after it are on the way down. The caller has the lock.
func (j *Journal) record(unit string, e event.Event) {
	entry := event.Entry{At: time.Now(), Way: event.Up, Unit: unit, Event: e}
	entry.Ms = float64(entry.At.Sub(j.begin).Microseconds()) / 1000
	_, shutdown := e.(event.Shutdown)
	down := shutdown || j.state.Stopping
	entry.Mark = j.labels[unit].Up
	if down {
		entry.Way, entry.Mark = event.Down, j.labels[unit].Down
	}
	if m, ok := e.(event.Mark); ok {
		entry.Mark = m.Name
	}
	j.state.Apply(entry)
	if !passing(e) {
		j.entries = append(j.entries, entry)
		if len(j.entries) > keep {
			j.entries = append(j.entries[:0:0], j.entries[keep/4:]...)
			j.dropped += keep / 4
		}
		for _, sink := range j.sinks {
			sink(entry)
		}
	}
	if j.follow == nil {
		return
	}
	for _, m := range j.follow(entry) {
		j.record(event.Task, m)
	}
}

// passing are the events that change the state of now and are not worth a line: a wait is
// recorded when it has lasted.
func passing(e event.Event) bool {
	switch e := e.(type) {
	case event.Waiting:
		return e.Said == 0
	case event.WaitOver:
		return true
	}
	return false
}

// Read runs f while nothing is recorded. f must not call the journal, nor keep the state.
func (j *Journal) Read(f func(*state.State)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(j.state)
}

// Entries are the latest entries, oldest first; the caller owns the slice.
func (j *Journal) Entries() []event.Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]event.Entry(nil), j.entries...)
}

// Since are the entries behind the first n of the life, as far as they are still held, and how
// many there have been by now: the n of the next call. The caller owns the slice.
func (j *Journal) Since(n int) (later []event.Entry, next int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	next = j.dropped + len(j.entries)
	from := min(max(n, j.dropped), next) - j.dropped
	return append([]event.Entry(nil), j.entries[from:]...), next
}
