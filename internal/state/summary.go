package state

import (
	"encoding/json"
	"fmt"
	"slices"

	"meshtask/internal/event"
)

// Summary is the whole life in one object: summary.json and the last log line.
type Summary struct {
	Exit         int                           `json:"exit"`
	Reason       string                        `json:"reason"`
	Marks        map[string]map[string]float64 `json:"marks"` // way → mark → ms since the process began
	Restarts     map[string]int                `json:"restarts"`
	Drain        Drain                         `json:"drain"`
	Deregistered string                        `json:"deregistered"` // verified, unverified or skipped
	Left         string                        `json:"left"`         // likewise
	Killed       []string                      `json:"killed"`
	PeakBytes    map[string]int64              `json:"peak_bytes"`
	OOM          string                        `json:"oom"`
	App          string                        `json:"app,omitempty"` // how the app ended
	Why          *Why                          `json:"why,omitempty"` // decided once, at the end
}

// Why is the one cause that comes first, as status, the summary and `meshtask why` have it.
type Why struct {
	Code    event.Code `json:"code"`
	Cause   string     `json:"cause"`             // in a sentence
	Fix     string     `json:"fix,omitempty"`     // "" where there is nothing to do
	State   string     `json:"state"`             // how it is with the task, or how it ended, in a sentence
	Unit    string     `json:"unit,omitempty"`    // the unit that it is about
	Exit    *int       `json:"exit,omitempty"`    // of a task that has ended, where it is known
	Ms      float64    `json:"ms"`                // when it was seen, since the process began
	Checked []string   `json:"checked,omitempty"` // what was found good
	Note    string     `json:"note,omitempty"`    // what to know of the record itself
}

// Drain is what the drain of the inbound listeners came to.
type Drain struct {
	Start int64 `json:"start"` // in flight when it began
	End   int64 `json:"end"`   // cut when it ended
	Ms    int64 `json:"ms"`
}

// The results of what cannot always be seen.
const (
	Verified   = "verified"
	Unverified = "unverified"
	Skipped    = "skipped" // there was nothing to do
)

func newSummary() Summary {
	return Summary{Marks: map[string]map[string]float64{event.Up: {}, event.Down: {}}, Restarts: map[string]int{},
		Deregistered: Skipped, Left: Skipped, Killed: []string{}, PeakBytes: map[string]int64{}}
}

func (s *Summary) apply(e event.Entry) {
	switch ev := e.Event.(type) {
	case event.Mark:
		s.Marks[e.Way][ev.Name] = e.Ms
	case event.Restart:
		s.Restarts[e.Unit]++
	case event.Exec:
		s.Restarts[e.Unit] += 0 // it has a process, which may be restarted
	case event.Killed:
		if !slices.Contains(s.Killed, e.Unit) {
			s.Killed = append(s.Killed, e.Unit)
		}
	case event.Shutdown:
		s.Reason = ev.Cause
	case event.Finish:
		s.Exit = ev.Code
		if s.Reason == "" {
			s.Reason = ev.Cause
		}
	case event.Drained:
		s.Drain = Drain{Start: ev.Start, End: ev.End, Ms: int64(ev.Ms)}
	case event.Registered: // until its end is seen
		s.Deregistered = Unverified
	case event.Joined:
		s.Left = Unverified
	case event.Deregistered:
		s.Deregistered = ev.Result
	case event.Left:
		s.Left = ev.Result
	case event.OutOfMemory:
		s.OOM = ev.Process
	case event.Exit:
		s.PeakBytes[e.Unit] = max(s.PeakBytes[e.Unit], ev.PeakBytes)
		if e.Unit == "app" {
			s.App = fmt.Sprintf("exit %d", ev.Status)
			if ev.Signal != "" {
				s.App += " (" + ev.Signal + ")"
			}
		}
	}
}

// Line is the summary as the last log line has it.
func (s Summary) Line() string {
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Pairs is the summary as key and value pairs, for a log in JSON.
func (s Summary) Pairs() []any {
	out := []any{"exit", s.Exit, "reason", s.Reason, "marks", s.Marks, "restarts", s.Restarts, "drain", s.Drain,
		"deregistered", s.Deregistered, "left", s.Left, "killed", s.Killed, "peak_bytes", s.PeakBytes, "oom", s.OOM}
	if s.App != "" {
		out = append(out, "app", s.App)
	}
	if s.Why != nil {
		out = append(out, "why", s.Why)
	}
	return out
}
