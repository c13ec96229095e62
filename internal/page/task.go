package page

import (
	"fmt"
	"strings"

	"meshtask/internal/event"
	"meshtask/internal/printable"
)

// Task is how it is with a task, as everybody may see it who reaches the page: no pid, no
// command, no variable. Times are in ms since the process began.
type Task struct {
	Service    string                        `json:"service,omitempty"`
	ID         string                        `json:"id"`
	State      string                        `json:"state"` // STARTING, RUNNING, STOPPING, ENDED
	Healthy    bool                          `json:"healthy"`
	Code       event.Code                    `json:"code"`
	Sentence   string                        `json:"sentence,omitempty"` // how it has ended
	Cause      string                        `json:"cause"`              // what is wrong
	Fix        string                        `json:"fix,omitempty"`
	Exit       *int                          `json:"exit,omitempty"` // once it has ended
	Began      int64                         `json:"began"`          // Unix time in ms
	Listen     string                        `json:"listen,omitempty"`
	App        string                        `json:"app,omitempty"` // where Envoy finds it
	Marks      map[string]map[string]float64 `json:"marks"`         // way → mark → ms
	Stop       Stop                          `json:"stop"`
	Conditions []Condition                   `json:"conditions"`
	Units      []Unit                        `json:"units"`
	Upstreams  []Upstream                    `json:"upstreams"`
}

// Stop is the stop: how its budget is to be spent, when it began, and what its drain came to.
type Stop struct {
	Began   *float64 `json:"began,omitempty"`
	Ended   *float64 `json:"ended,omitempty"`
	Cause   string   `json:"cause,omitempty"` // a signal's short name, or an error's text
	Budget  float64  `json:"budget"`          // ms
	Steps   []Step   `json:"steps"`
	Drained *Drained `json:"drained,omitempty"`
}

// Step is a step of the stop, with its share of the budget in ms.
type Step struct {
	Name   string  `json:"name"`
	AtMost float64 `json:"at_most"`
}

// Drained is a drain that is over.
type Drained struct {
	Start int64   `json:"start"` // in flight when it began
	Cut   int64   `json:"cut"`
	Ms    float64 `json:"ms"`
}

// Condition is one thing that is to hold.
type Condition struct {
	Name   string   `json:"name"`
	OK     bool     `json:"ok"`
	Since  *float64 `json:"since,omitempty"`
	Reason string   `json:"reason,omitempty"`
}

// Unit is a row of the timeline.
type Unit struct {
	Name     string   `json:"name"`
	State    string   `json:"state"`
	Since    *float64 `json:"since,omitempty"`
	Restarts int      `json:"restarts"`
	Waits    string   `json:"waits,omitempty"` // for what
}

// Upstream is a service that the app calls, and where.
type Upstream struct {
	Name   string `json:"name"`
	Listen string `json:"listen"`
}

// Flow is what goes through the sidecar now.
type Flow struct {
	InFlight  *int64      `json:"in_flight,omitempty"`
	Protocol  string      `json:"protocol,omitempty"`
	Instances []Instances `json:"instances,omitempty"`
}

// Instances are what the sidecar knows of an upstream's.
type Instances struct {
	Upstream string `json:"upstream"`
	Healthy  int64  `json:"healthy"`
	Total    int64  `json:"total"`
}

// Line is a text of others as the page has it: one line, bounded, nothing but print in it.
func Line(text string) string {
	const most = 300
	text = printable.Line(strings.Join(strings.Fields(text), " "))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// entry is a line of the timeline. Of an event's data it has what is named here, and no more.
type entry struct {
	Ms    float64 `json:"ms"`
	Way   string  `json:"way"`
	Unit  string  `json:"unit"`
	Event string  `json:"event"`
	Text  string  `json:"text,omitempty"`
}

func entriesOf(all []event.Entry) []entry {
	out := make([]entry, 0, len(all))
	for _, e := range all {
		name, detail, _ := event.Words(e.Event)
		if step, ok := event.Step(e.Event); ok {
			name = step
		}
		shown := entry{Ms: e.Ms, Way: e.Way, Unit: Line(e.Unit), Event: name}
		switch ev := e.Event.(type) {
		case event.Mark:
			shown.Text = Line(ev.Name)
		case event.Waiting, event.Shutdown:
			shown.Text = Line(detail)
		case event.Condition:
			shown.Text = Line(ev.Name) + " holds"
			if !ev.OK {
				shown.Text = Line(ev.Name) + " does not hold"
			}
		case event.Restart:
			shown.Text = fmt.Sprintf("%d of %d, after %v", ev.N, ev.Max, ev.After)
		case event.Exit:
			shown.Text = fmt.Sprintf("status %d", ev.Status)
		case event.Listener:
			shown.Text = Line(ev.Address)
		case event.Drained:
			shown.Text = fmt.Sprintf("%d in flight, %d cut", ev.Start, ev.End)
		case event.Deregistered:
			shown.Text = Line(ev.Result)
		case event.Left:
			shown.Text = Line(ev.Result)
		}
		out = append(out, shown)
	}
	return out
}
