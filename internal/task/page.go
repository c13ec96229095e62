package task

import (
	"cmp"
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/page"
	"meshtask/internal/state"
	"meshtask/internal/why"
	"meshtask/lifecycle"
)

// pageLimit is how long the pages that watch may take for how the task has ended, while the
// budget of the stop is not spent.
const pageLimit = 250 * time.Millisecond

// tellPages tells them.
func (t *task) tellPages(w *watched, out lifecycle.Outcome) {
	end, _ := t.ended(out, nil)
	t.pages.End(w.task(&end), max(0, min(pageLimit, t.plan.Stop.KillAfter-t.elapsed())))
}

// watched shows the task to the pages that watch it.
type watched struct {
	t *task
	s *source
}

// paths are the page and its stream.
func (w *watched) paths(feed *page.Feed) map[string]http.Handler {
	return map[string]http.Handler{page.Path: page.Page(), page.EventsPath: feed.Events(w)}
}

// Now is the time in ms since the process began.
func (w *watched) Now() float64 { return w.ms(time.Now()) }

func (w *watched) ms(at time.Time) float64 {
	return float64(at.Sub(w.t.d.Begin).Microseconds()) / 1000
}

// since is a time that may not be known.
func (w *watched) since(at time.Time) *float64 {
	if at.IsZero() {
		return nil
	}
	ms := w.ms(at)
	return &ms
}

// Since are the entries behind the first n.
func (w *watched) Since(n int) (later []event.Entry, next int) { return w.t.book.Since(n) }

// Task is how it is with the task.
func (w *watched) Task() page.Task { return w.task(nil) }

// task is that; end is what the record will have as its last entry, nil before.
func (w *watched) task(end *event.Finish) page.Task {
	p := w.t.plan
	out := page.Task{ID: page.Line(p.Task.ID), Began: w.t.d.Begin.UnixMilli(), Marks: map[string]map[string]float64{},
		Conditions: []page.Condition{}, Units: []page.Unit{}, Upstreams: w.upstreams(), Stop: w.stop()}
	if p.Service != nil {
		out.Service, out.Listen = page.Line(p.Service.Name), p.Envoy.Listen
		if p.Service.Port != 0 {
			out.App = net.JoinHostPort(p.Service.Proxy.LocalServiceAddress, strconv.Itoa(p.Service.Port))
		}
	}
	out.Healthy, _ = w.s.Health()
	w.t.book.Read(func(now *state.State) {
		if p.Service != nil {
			out.Listen = cmp.Or(out.Listen, page.Line(now.Listens))
		}
		if end != nil {
			ended := *now // of which nothing is changed that the record shares
			ended.Finished, ended.EndAt = end, time.Now()
			now = &ended
			out.Exit, out.Stop.Ended = &end.Code, w.since(now.EndAt)
		}
		w.tell(&out, now)
	})
	return out
}

// tell adds what the state says.
func (w *watched) tell(out *page.Task, now *state.State) {
	a := why.Of(now)
	out.State, out.Code, out.Cause, out.Fix = now.Phase(), a.Code, page.Line(a.Cause), page.Line(a.Fix)
	if now.Finished != nil { // before, it says the time
		out.Sentence = page.Line(a.State)
	}
	for way, marks := range now.Summary.Marks {
		out.Marks[way] = maps.Clone(marks)
	}
	for _, c := range now.Conditions(time.Now()) {
		out.Conditions = append(out.Conditions, page.Condition{Name: page.Line(c.Name), OK: c.OK, Since: w.since(c.Since), Reason: page.Line(c.Reason)})
	}
	for _, u := range now.Rows() {
		shown := page.Unit{Name: page.Line(u.Unit), State: u.State, Since: w.since(u.Since), Restarts: u.Restarts}
		if u.Wait != nil {
			shown.Waits = page.Line(u.Wait.What)
		}
		out.Units = append(out.Units, shown)
	}
	if now.Stopping {
		out.Stop.Began, out.Stop.Cause = w.since(now.StopAt), page.Line(now.Summary.Reason)
	}
	if now.Drained {
		d := now.Summary.Drain
		out.Stop.Drained = &page.Drained{Start: d.Start, Cut: d.End, Ms: float64(d.Ms)}
	}
}

// stop is the budget of the stop.
func (w *watched) stop() page.Stop {
	s := page.Stop{Budget: float64(w.t.plan.Stop.StopTimeout.Milliseconds()), Steps: []page.Step{}}
	for _, step := range w.t.plan.Stop.Steps() {
		most, err := time.ParseDuration(step.AtMost)
		if err == nil && most > 0 {
			s.Steps = append(s.Steps, page.Step{Name: step.Step, AtMost: float64(most.Milliseconds())})
		}
	}
	return s
}

func (w *watched) upstreams() []page.Upstream {
	out := []page.Upstream{}
	if w.t.watch.envoy == nil {
		return out
	}
	for _, u := range w.t.watch.envoy.Upstreams {
		out = append(out, page.Upstream{Name: page.Line(u.Name), Listen: page.Line(u.Listen)})
	}
	return out
}

// Flow asks Envoy, while it is up.
func (w *watched) Flow(ctx context.Context) *page.Flow {
	running := false
	w.t.book.Read(func(now *state.State) {
		u := now.Unit(string(lifecycle.Envoy))
		running = u.State == state.Running || u.State == state.Stopping
	})
	if !running || w.t.watch.envoy == nil {
		return nil
	}
	flow, err := w.t.watch.envoy.Admin.Flow(ctx, w.t.plan.Envoy.Role, w.t.watch.envoy.Upstreams)
	if err != nil {
		return nil // what it means that Envoy does not answer is said by the unit
	}
	out := &page.Flow{Protocol: flow.Protocol}
	if flow.Protocol != "" {
		out.InFlight = &flow.InFlight
	}
	for _, u := range w.t.watch.envoy.Upstreams {
		if n, ok := flow.Instances[u.Name]; ok {
			out.Instances = append(out.Instances, page.Instances{Upstream: page.Line(u.Name), Healthy: n.Healthy, Total: n.Total})
		}
	}
	return out
}
