package task

import (
	"cmp"
	"strings"
	"time"

	"meshtask/internal/emf"
	"meshtask/internal/metrics"
	"meshtask/internal/state"
)

// emitter writes metrics for CloudWatch into the log: where our own lines go, each as a line of
// its own that is nothing but JSON, whatever the log's format and level are.
type emitter struct {
	t    *task
	id   emf.Identity
	last *metrics.Snapshot // of the line before; nil: none
	at   time.Time         // of it
}

// newEmitter is nil where the plan wants none.
func newEmitter(t *task) *emitter {
	p := t.plan
	if p.Log.EMF == nil {
		return nil
	}
	service := cmp.Or(p.Task.Family, "unknown")
	if p.Service != nil {
		service = p.Service.Name
	}
	cluster := p.Task.Cluster[strings.LastIndex(p.Task.Cluster, "/")+1:] // it may be an ARN
	return &emitter{t: t, id: emf.Identity{Namespace: p.Log.EMF.Namespace, Cluster: cmp.Or(cluster, "unknown"), Service: service, Task: p.Task.ID, Version: t.d.Version}}
}

// run writes a line at each interval until over is closed.
func (e *emitter) run(src *source, every time.Duration, over <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			now := time.Now()
			s := src.snapshot()
			e.write(emf.Interval{Now: s, Before: e.last, Passed: now.Sub(e.at)}.Line(e.id, now))
			e.last, e.at = &s, now
		}
	}
}

// life writes the line of the whole life. run has returned.
func (e *emitter) life(s state.Summary) {
	now := time.Now()
	l := emf.Life{Summary: s, Before: e.last, Lasted: now.Sub(e.t.d.Begin)}
	e.t.book.Read(func(s *state.State) {
		l.OOM = metrics.Of(s, now).OOM
		l.Interrupted = s.Stopping
		if s.Stopping {
			l.Stopped = s.EndAt.Sub(s.StopAt)
		}
	})
	e.write(l.Line(e.id, now))
}

func (e *emitter) write(line []byte) { e.t.d.Out.Line("", line) }
