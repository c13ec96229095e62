package health

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"meshtask/internal/event"
)

// life is one Syncer on a fake agent, in a testing/synctest bubble.
type life struct {
	t     *testing.T
	agent *fakeAgent
	s     *Syncer
	stop  chan struct{}
	ready chan struct{}
	kill  context.CancelCauseFunc
	done  chan error

	mu       sync.Mutex
	steps    []string // but those of the app's health
	app      []event.Event
	waits    []string
	removals int
	removed  []bool
	asserted int
	renewed  int
}

// begin starts a life; change may alter its Config.
func begin(t *testing.T, change func(*life, *Config)) *life {
	l := &life{t: t, agent: newFakeAgent(testCheck), stop: make(chan struct{}), ready: make(chan struct{}), done: make(chan error, 1)}
	cfg := Config{
		Agent: l.agent, Service: testService, Proxy: testProxy, Alias: testAlias,
		Checks:  []Check{{ID: testCheck, Container: "app"}},
		Report:  l.report,
		Removed: func(ok bool) { l.add(func() { l.removed = append(l.removed, ok) }) },
		Reassert: func(ctx context.Context) error {
			l.add(func() { l.asserted++ })
			return l.agent.register(ctx)
		},
		Renew: func(ctx context.Context) {
			l.add(func() { l.renewed++ })
			_ = l.agent.register(ctx)
		},
	}
	if change != nil {
		change(l, &cfg)
	}
	l.s = New(cfg)
	t.Cleanup(func() { time.Sleep(24 * time.Hour) }) // the fake's requests end by themselves
	ctx, kill := context.WithCancelCause(t.Context())
	l.kill = kill
	go func() { l.done <- l.s.Run(ctx, func() { close(l.ready) }, l.stop) }()
	return l
}

func (l *life) report(e event.Event) {
	l.add(func() {
		switch e := e.(type) {
		case event.AppHealthy, event.AppUnhealthy:
			l.app = append(l.app, e)
		case event.Waiting:
			l.waits = append(l.waits, e.What)
		case event.WaitOver:
			l.waits = append(l.waits, "")
		default:
			name, _ := event.Step(e)
			l.steps = append(l.steps, "step "+name)
		}
	})
}

func (l *life) add(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *life) RemoveFromCatalog(context.Context) error {
	time.Sleep(3 * time.Millisecond)
	l.add(func() { l.removals++ })
	return nil
}

// up brings the app and Envoy up and waits until the servers say so.
func (l *life) up() {
	l.t.Helper()
	<-l.ready
	l.s.EnvoyUp()
	l.s.AppUp()
	l.within(20*time.Millisecond, "the sidecar passes at the servers", func() bool { return l.agent.at(testAlias) == "passing" })
	l.within(10*time.Millisecond, "and it is told", func() bool { return l.count("step passing") > 0 })
}

// within waits until cond holds, looking every fake half millisecond.
func (l *life) within(limit time.Duration, what string, cond func() bool) {
	l.t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(500 * time.Microsecond) {
		if time.Now().After(end) {
			l.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// down stops and returns what Run returned and how long it took.
func (l *life) down() (time.Duration, error) {
	began := time.Now()
	close(l.stop)
	err := <-l.done
	return time.Since(began), err
}

func (l *life) count(step string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.steps {
		if s == step {
			n++
		}
	}
	return n
}

func (l *life) assertions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asserted
}

func (l *life) renewals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

func (l *life) wantSteps(want ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.steps, want) {
		l.t.Errorf("steps %q, want %q", l.steps, want)
	}
}
