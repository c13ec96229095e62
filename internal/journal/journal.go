// Package journal is the record of one task's life: every event in order, with
// its time. The log, timeline.jsonl, summary.json and the live state are
// derived from it; nothing else keeps a history.
//
// It knows the words of the record and nothing of who acts on them.
package journal

import (
	"encoding/json"
	"sync"
	"time"
)

// The ways of a life.
const (
	Up   = "up"
	Down = "down"
)

// Task is the unit of the entries that speak of the whole task.
const Task = "task"

// The events. Start to Killed come from the conductor, Restart, Step and Waiting
// from the units, Mark, Shutdown and Exit speak of the task.
const (
	Start    = "start"
	Ready    = "ready"
	Stop     = "stop"
	Ended    = "ended"
	Killed   = "killed"
	Restart  = "restart"
	Step     = "step"
	Waiting  = "waiting" // a unit has waited for a while: Detail is for what
	Mark     = "mark"
	Shutdown = "shutdown"
	Exit     = "exit"
)

// Entry is one line of timeline.jsonl.
type Entry struct {
	V      int            `json:"v"` // of the record's format: 1
	At     time.Time      `json:"at"`
	Ms     float64        `json:"ms"` // since the process began
	Way    string         `json:"way"`
	Mark   string         `json:"mark,omitempty"`
	Unit   string         `json:"unit"`
	Event  string         `json:"event"`
	Detail string         `json:"detail,omitempty"`
	Data   map[string]any `json:"data,omitempty"`
}

// Int reads a number of Data, 0 when it is not there.
func (e Entry) Int(key string) int64 {
	switch v := e.Data[key].(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return int64(v)
	case json.Number:
		n, _ := v.Int64()
		return n
	}
	return 0
}

// Text reads a string of Data, "" when it is not there.
func (e Entry) Text(key string) string {
	s, _ := e.Data[key].(string)
	return s
}

// version is the record's format.
const version = 1

// Marks are a unit's labels: the marks of its row on the way up and on the way down.
type Marks struct{ Up, Down string }

// Journal takes entries from any goroutine and hands them to its sinks one
// after another, in one order for all.
type Journal struct {
	begin time.Time
	marks map[string]Marks
	sinks []func(Entry)

	mu      sync.Mutex
	way     string
	entries []Entry
}

// keep bounds what is held in memory; a task that restarts its children for
// months must not grow. What a summary needs beyond it is counted by Summary.
const keep = 512

// New returns a journal whose Ms count from begin. marks are the labels of the units that
// have one. Sinks must not block and must not call the journal.
func New(begin time.Time, marks map[string]Marks, sinks ...func(Entry)) *Journal {
	return &Journal{begin: begin, marks: marks, way: Up, sinks: sinks}
}

// Add stamps an entry and records it. Its way and mark are those of its place in the record:
// a Shutdown and all that comes after it are on the way down. kv are pairs for Data.
func (j *Journal) Add(unit, event, detail string, kv ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if event == Shutdown {
		j.way = Down
	}
	mark := j.marks[unit].Up
	if j.way == Down {
		mark = j.marks[unit].Down
	}
	j.record(Entry{Way: j.way, Mark: mark, Unit: unit, Event: event, Detail: detail, Data: pairs(kv)})
}

// Reach records that a mark of the task was reached on the way that the record is on. It is
// false, and nothing is recorded, when that is not way: a mark of the way up is not reached
// any more once the shutdown has begun.
func (j *Journal) Reach(way, mark string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if way != j.way {
		return false
	}
	j.record(Entry{Way: way, Mark: mark, Unit: Task, Event: Mark})
	return true
}

// record stamps e and hands it on. The caller has the lock.
func (j *Journal) record(e Entry) {
	e.V, e.At = version, time.Now()
	e.Ms = ms(e.At.Sub(j.begin))
	j.entries = append(j.entries, e)
	if len(j.entries) > keep {
		j.entries = append(j.entries[:0:0], j.entries[keep/4:]...)
	}
	for _, sink := range j.sinks {
		sink(e)
	}
}

// Read runs f while nothing is added, so that f may read what the sinks keep.
// f must not call the journal.
func (j *Journal) Read(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

// Entries returns the latest entries, oldest first; the caller owns the slice.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Entry(nil), j.entries...)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func pairs(kv []any) map[string]any {
	if len(kv) < 2 {
		return nil
	}
	m := make(map[string]any, len(kv)/2)
	for i := 0; i+1 < len(kv); i += 2 {
		key, _ := kv[i].(string)
		value := kv[i+1]
		switch v := value.(type) {
		case error:
			value = v.Error()
		case time.Duration:
			value = v.String()
		}
		m[key] = value
	}
	return m
}
