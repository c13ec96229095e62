package journal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
	Why          *Why                          `json:"why,omitempty"` // of a start that was refused
}

// Why is the one cause of an end, and what mends it, as far as they are known.
type Why struct {
	Code  string `json:"code"`
	Cause string `json:"cause"`
	Fix   string `json:"fix"`
}

// Drain is what the drain of the inbound listeners came to.
type Drain struct {
	Start int64 `json:"start"` // in flight when it began
	End   int64 `json:"end"`   // cut when it ended
	Ms    int64 `json:"ms"`
}

// NewSummary returns the summary of a life that has not begun.
func NewSummary() *Summary {
	return &Summary{Marks: map[string]map[string]float64{Up: {}, Down: {}}, Restarts: map[string]int{},
		Deregistered: "skipped", Left: "skipped", Killed: []string{}, PeakBytes: map[string]int64{}}
}

// Add folds one entry in. It is a pure fold: the summary of a timeline that was
// read back is the one that was written.
func (s *Summary) Add(e Entry) {
	switch e.Event {
	case Mark:
		if marks := s.Marks[e.Way]; marks != nil { // of a record that was read back, anything
			marks[e.Mark] = e.Ms
		}
	case Restart:
		s.Restarts[e.Unit]++
	case Start:
		if e.Unit == "envoy" || e.Unit == "consul-agent" || e.Unit == "app" {
			s.Restarts[e.Unit] += 0
		}
	case Killed:
		if !slices.Contains(s.Killed, e.Unit) {
			s.Killed = append(s.Killed, e.Unit)
		}
	case Shutdown:
		s.Reason = e.Detail
	case Exit:
		s.Exit = int(e.Int("code"))
		if s.Reason == "" {
			s.Reason = e.Detail
		}
	case Step:
		s.step(e)
	}
}

func (s *Summary) step(e Entry) {
	switch e.Detail {
	case "drained":
		s.Drain = Drain{Start: e.Int("start"), End: e.Int("end"), Ms: e.Int("ms")}
	case "registered": // until its end is seen
		s.Deregistered = "unverified"
	case "joined":
		s.Left = "unverified"
	case "deregistered":
		s.Deregistered = e.Text("result")
	case "left":
		s.Left = e.Text("result")
	case "oom":
		s.OOM = e.Text("process")
	case "exit":
		s.PeakBytes[e.Unit] = max(s.PeakBytes[e.Unit], e.Int("peak_bytes"))
		if e.Unit == "app" {
			s.App = fmt.Sprintf("exit %d", e.Int("status"))
			if sig := e.Text("signal"); sig != "" {
				s.App += " (" + sig + ")"
			}
		}
	}
}

// Pairs is the summary as key and value pairs, for a log in JSON.
func (s *Summary) Pairs() []any {
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

// Line is the summary as the last log line has it.
func (s *Summary) Line() string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}
