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
	Units        map[string]*Life              `json:"units"`
	Why          *Why                          `json:"why,omitempty"` // decided once, at the end
}

// Life is when a unit was started, ready, asked to stop and ended, in ms since the process
// began, and its steps, each when it came first. What never was is not there.
type Life struct {
	Start float64            `json:"start,omitzero"`
	Ready float64            `json:"ready,omitzero"`
	Stop  float64            `json:"stop,omitzero"`
	Ended float64            `json:"ended,omitzero"`
	Steps map[string]float64 `json:"steps,omitempty"`
}

// Why is the one cause that comes first, as status, the summary and `meshtask why` have it.
type Why struct {
	Code    event.Code `json:"code"`
	Cause   string     `json:"cause"`             // in a sentence
	Fix     string     `json:"fix,omitempty"`     // "" where there is nothing to do
	Said    string     `json:"said,omitempty"`    // what a part of the task, or who was asked, said of it
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
		Deregistered: Skipped, Left: Skipped, Killed: []string{}, PeakBytes: map[string]int64{}, Units: map[string]*Life{}}
}

func (s *Summary) apply(e event.Entry) {
	s.live(e)
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

// live notes the times of the unit's life.
func (s *Summary) live(e event.Entry) {
	l := s.Units[e.Unit]
	if l == nil {
		l = &Life{}
	}
	at := func(when *float64) {
		*when, s.Units[e.Unit] = e.Ms, l
	}
	switch e.Event.(type) {
	case event.Start:
		at(&l.Start)
	case event.Ready:
		at(&l.Ready)
	case event.Stop:
		at(&l.Stop)
	case event.Ended:
		at(&l.Ended)
	case event.Joined, event.Registered, event.Listener, event.Passing, event.Removed, event.Drained, event.Deregistered, event.Left:
		l.step(e)
	case event.Critical:
		if e.Way == event.Down {
			l.step(e)
		}
	}
}

func (l *Life) step(e event.Entry) {
	word, _ := event.Step(e.Event)
	if _, twice := l.Steps[word]; twice {
		return
	}
	if l.Steps == nil {
		l.Steps = map[string]float64{}
	}
	l.Steps[word] = e.Ms
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
		"deregistered", s.Deregistered, "left", s.Left, "killed", s.Killed, "peak_bytes", s.PeakBytes, "oom", s.OOM, "units", s.Units}
	if s.App != "" {
		out = append(out, "app", s.App)
	}
	if s.Why != nil {
		out = append(out, "why", s.Why)
	}
	return out
}
