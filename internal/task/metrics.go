package task

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"meshtask/internal/metrics"
	"meshtask/internal/state"
	"meshtask/internal/usage"
)

// snapshot is what a task tells of itself in numbers. It reads /proc, and asks nobody.
func (s *source) snapshot() metrics.Snapshot {
	t := s.t
	var out metrics.Snapshot
	groups := []usage.Group{{Name: "meshtask", Self: true}}
	t.book.Read(func(now *state.State) {
		out = metrics.Of(now, time.Now())
		for _, u := range now.Rows() {
			if u.PID > 0 {
				groups = append(groups, usage.Group{Name: u.Unit, PID: u.PID}) // each child leads a group of its own
			}
		}
	})
	out.Healthy, _ = s.Health()
	out.Version, out.Kind, out.Uptime, out.StopBudget = t.d.Version, string(t.plan.Kind), time.Since(t.d.Begin), t.plan.Stop.KillAfter
	if t.plan.Service != nil {
		out.Service = t.plan.Service.Name
	}
	if s.u.sync != nil {
		now := s.u.sync.Snapshot()
		out.Writes = &metrics.Results{OK: now.Writes - now.Failed, Failed: now.Failed}
	}
	if t.meta != nil {
		out.Requests = t.meta.Requests()
	}
	if t.d.Out != nil {
		out.LinesLost = t.d.Out.Dropped()
	}
	var err error
	if out.Processes, err = t.usage.Read(groups); err != nil {
		t.d.Log.Debug("what processes use is not known", "error", err)
	}
	return out
}

// part is somebody else's metrics in one answer.
type part struct {
	name string
	// read asks for them. done is called, if it is not nil, when text has been written, or is not
	// wanted.
	read func(ctx context.Context) (text io.WriterTo, done func(), err error)

	text io.WriterTo
	done func()
	err  error
	took time.Duration
}

// parts are whom the task has beside itself.
func (s *source) parts() []*part {
	var out []*part
	if m := s.u.agent; m != nil {
		out = append(out, &part{name: "consul-agent", read: func(ctx context.Context) (io.WriterTo, func(), error) {
			text, err := m.Read(ctx)
			if err != nil {
				return nil, nil, err
			}
			text, err = metrics.Filter(text, metrics.Keep(metrics.AgentMetrics()))
			return bytes.NewReader(text), nil, err
		}})
	}
	if e := s.u.envoy; e != nil {
		out = append(out, &part{name: "envoy", read: e.Read})
	}
	return out
}

// Metrics writes the state in Prometheus' text format, and behind it what the agent and Envoy
// tell, if they answer. They are asked side by side.
func (s *source) Metrics(ctx context.Context, to io.Writer) {
	parts := s.parts()
	var group sync.WaitGroup
	for _, p := range parts {
		group.Go(func() {
			begin := time.Now()
			p.text, p.done, p.err = p.read(ctx)
			p.took = time.Since(begin)
		})
	}
	group.Wait()
	now := s.snapshot()
	for _, p := range parts {
		if p.done != nil {
			defer p.done()
		}
		if p.err != nil {
			s.t.d.Log.Debug("metrics of a source are left out", "source", p.name, "error", p.err)
		}
		now.Sources = append(now.Sources, metrics.Source{Name: p.name, Up: p.err == nil, Took: p.took})
	}
	if err := metrics.Write(to, now); err != nil {
		s.t.d.Log.Debug("a scrape was not answered", "error", err) // the reader is gone
		return
	}
	for _, p := range parts {
		if p.err != nil {
			continue
		}
		if _, err := p.text.WriteTo(to); err != nil {
			return // likewise
		}
	}
}
