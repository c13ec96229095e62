package health

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Task lists the containers of this task, as its metadata endpoint has them now. An error
// is no news: whatever went wrong, nothing is known to have changed.
type Task interface {
	Containers(ctx context.Context) ([]Container, error)
}

// PollerConfig is the configuration of a Poller.
type PollerConfig struct {
	Task  Task
	Names []string // the containers to report
	// Interval between two looks while something changes; five times it when nothing does, but
	// not more than 1.5 s while a container passes, unless Interval is more. 0: 1 s.
	Interval time.Duration
	Log      hclog.Logger
}

// Poller is the source of sibling containers: the one poller of the task metadata endpoint.
type Poller struct {
	cfg PollerConfig
}

// NewPoller fills in defaults.
func NewPoller(cfg PollerConfig) *Poller {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	return &Poller{cfg: cfg}
}

const (
	// lookLimit is the time that one answer may take; the endpoint's own limit is 5 s.
	lookLimit = 2 * time.Second
	// steady is how many intervals lie between two looks when nothing changes. steadyLimit
	// bounds that while a container passes: one that is not HEALTHY any more is to be critical
	// within 2 s.
	steady, steadyLimit = 5, 1500 * time.Millisecond
	// lively and patient, in intervals: how long after a change another one is expected, and
	// how long a container may have no result until looking often is given up.
	lively, patient = 10, 300
	// slowest, in intervals, bounds the back-off after failed looks.
	slowest = 10
	// missing, in intervals: when a container that was never listed is named in the log.
	missing = 60
)

// watch is the poller's memory of one container.
type watch struct {
	seen    seen
	changed time.Time
	warned  bool
}

// Run looks until ctx is done and reports every container after every good look. An error
// of any kind keeps the last word and backs off.
func (p *Poller) Run(ctx context.Context, report func(container string, state State)) {
	began := time.Now()
	watches := make(map[string]*watch, len(p.cfg.Names))
	for _, name := range p.cfg.Names {
		watches[name] = &watch{changed: began}
	}
	failures := 0
	for {
		list, err := p.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := p.backoff(failures)
		if err != nil {
			failures++
			p.cfg.Log.Debug("no news from the task metadata endpoint", "error", err, "after", wait)
		} else {
			failures = 0
			p.note(watches, list, time.Now())
			p.complain(watches, time.Since(began))
			for name, w := range watches {
				report(name, w.seen.state)
			}
			wait = p.cadence(watches, time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (p *Poller) ask(ctx context.Context) ([]Container, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	return p.cfg.Task.Containers(ctx)
}

func (p *Poller) backoff(failures int) time.Duration {
	return min(p.cfg.Interval<<min(failures, 4), slowest*p.cfg.Interval)
}

// note takes a good look in.
func (p *Poller) note(watches map[string]*watch, list []Container, now time.Time) {
	listed := make(map[string]*Container, len(list))
	for i := range list {
		listed[list[i].Name] = &list[i]
	}
	for name, w := range watches {
		before := w.seen.state
		w.seen = look(name, w.seen.listed, listed[name])
		if w.seen.state != before {
			w.changed = now
		}
	}
}

// complain names once a container that never came, and one that ECS does not check.
func (p *Poller) complain(watches map[string]*watch, since time.Duration) {
	for name, w := range watches {
		switch {
		case w.warned:
		case !w.seen.listed && since >= missing*p.cfg.Interval:
			w.warned = true
			p.cfg.Log.Warn("no such container in this task, its check stays critical",
				"container", name, "after", since, "fix", "healthSyncContainers names it")
		case w.seen.unchecked:
			w.warned = true
			p.cfg.Log.Warn("the container has no ECS health check, its check stays critical",
				"container", name, "fix", "give it a healthCheck in the task definition")
		}
	}
}

// cadence is the time until the next look.
func (p *Poller) cadence(watches map[string]*watch, now time.Time) time.Duration {
	slow := steady * p.cfg.Interval
	for _, w := range watches {
		if w.seen.state.Status == Passing {
			slow = max(p.cfg.Interval, min(slow, steadyLimit))
		}
		age := now.Sub(w.changed)
		if age < lively*p.cfg.Interval || !w.seen.hasResult && age < patient*p.cfg.Interval {
			return p.cfg.Interval
		}
	}
	return slow
}
