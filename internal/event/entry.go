package event

import (
	"encoding/json"
	"errors"
	"time"
)

// Version is that of timeline.jsonl's lines. A line of another version is not ours.
const Version = 1

// The ways of a life.
const (
	Up   = "up"
	Down = "down"
)

// Task is the unit of the entries that speak of the whole task.
const Task = "task"

// Entry is one line of timeline.jsonl: an event, of which unit, and when.
type Entry struct {
	At    time.Time
	Ms    float64 // since the process began
	Way   string  // Up until the stop begins, then Down
	Mark  string  // the row's label on that way, or the mark that was reached
	Unit  string
	Event Event
}

// line is an Entry as JSON has it.
type line struct {
	V      int             `json:"v"`
	At     time.Time       `json:"at"`
	Ms     float64         `json:"ms"`
	Way    string          `json:"way"`
	Mark   string          `json:"mark,omitempty"`
	Unit   string          `json:"unit"`
	Event  string          `json:"event"`
	Detail string          `json:"detail,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// MarshalJSON is the line, without its end.
func (e Entry) MarshalJSON() ([]byte, error) {
	name, detail, data := Words(e.Event)
	return json.Marshal(line{V: Version, At: e.At, Ms: e.Ms, Way: e.Way, Mark: e.Mark, Unit: e.Unit, Event: name, Detail: detail, Data: data})
}

// UnmarshalJSON refuses what is no line of ours: another version, or without what every line
// has.
func (e *Entry) UnmarshalJSON(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch {
	case l.V != Version:
		return errors.New("not a line of meshtask's timeline: v is not 1")
	case l.At.IsZero(), l.Unit == "", l.Way != Up && l.Way != Down:
		return errors.New("not a line of meshtask's timeline: at, unit or way is missing")
	}
	ev, err := Parse(l.Event, l.Detail, l.Data)
	if err != nil {
		return err
	}
	if _, ok := ev.(Mark); ok {
		ev = Mark{Name: l.Mark}
	}
	*e = Entry{At: l.At, Ms: l.Ms, Way: l.Way, Mark: l.Mark, Unit: l.Unit, Event: ev}
	return nil
}
