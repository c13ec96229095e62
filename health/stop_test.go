package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestCatalogRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Catalog = l })
		l.up()
		if took, err := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("stop: %v after %v", err, took)
		}
		l.wantSteps("step passing", "step critical", "step removed")
		if l.removals != 1 || !slices.Equal(l.removed, []bool{true}) {
			t.Errorf("%d removals, told %v", l.removals, l.removed)
		}
	})
}

type refusal struct{ tries int }

func (r *refusal) RemoveFromCatalog(context.Context) error {
	r.tries++
	return fmt.Errorf("permission denied")
}

func TestCatalogRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &refusal{}
		l := begin(t, func(_ *life, cfg *Config) { cfg.Catalog = r })
		l.up()
		if took, err := l.down(); err != nil || took > 100*time.Millisecond {
			t.Errorf("stop: %v after %v, want nil at once: the wait is longer instead", err, took)
		}
		l.wantSteps("step passing", "step critical")
		if r.tries != removeTries || !slices.Equal(l.removed, []bool{false}) {
			t.Errorf("%d tries, told %v", r.tries, l.removed)
		}
	})
}

func TestStopWithoutAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Grace = func() time.Duration { return time.Second } })
		l.up()
		l.agent.set(func() { l.agent.fail = errors.New("connection refused") })
		took, err := l.down()
		if err == nil || took > time.Second+50*time.Millisecond {
			t.Errorf("%v after %v, want an error within the grace of 1 s", err, took)
		}
		l.wantSteps("step passing")
	})
}

func TestStopWhileTheAgentRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		l.up()
		l.agent.set(func() { l.agent.fail = errors.New("connection refused") })
		close(l.stop)
		time.Sleep(500 * time.Millisecond)
		l.agent.set(func() { l.agent.fail = nil })
		if err := <-l.done; err != nil {
			t.Error(err)
		}
		if got := l.agent.at(testAlias); got != "critical" {
			t.Errorf("alias at the servers: %s", got)
		}
	})
}

// TestStopWhenTheAgentForgot: a check that the agent does not know cannot pass.
func TestStopWhenTheAgentForgot(t *testing.T) {
	for _, native := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := begin(t, func(l *life, cfg *Config) {
				if native {
					cfg.Checks, l.agent.service = nil, nil
				}
				cfg.Reassert = nil
			})
			l.up()
			l.agent.restart()
			if took, err := l.down(); err != nil || took > 50*time.Millisecond {
				t.Errorf("native %v: %v after %v", native, err, took)
			}
		})
	}
}

func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Siblings = idle{} })
		l.up()
		l.agent.set(func() { l.agent.lag = time.Hour })
		l.s.AppDown()
		time.Sleep(time.Millisecond)
		cause, began := errors.New("time is up"), time.Now()
		l.kill(cause)
		if err := <-l.done; !errors.Is(err, cause) || time.Since(began) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

type idle struct{}

func (idle) Run(ctx context.Context, _ func(string, State)) { <-ctx.Done() }
