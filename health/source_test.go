package health

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// puppet is a source that says what it is told, and notes its lives.
type puppet struct {
	name  string
	first State         // reported at the start of each life; Status "" says nothing
	slow  time.Duration // how long the end of a life takes
	says  chan State

	mu            sync.Mutex
	begun, active int
	overlapped    bool
}

func (p *puppet) Run(ctx context.Context, report func(string, State)) {
	p.mu.Lock()
	p.begun++
	p.active++
	p.overlapped = p.overlapped || p.active > 1
	p.mu.Unlock()
	defer func() {
		time.Sleep(p.slow)
		report(p.name, State{Passing, "a late word of an earlier life"})
		p.mu.Lock()
		p.active--
		p.mu.Unlock()
	}()
	if p.first.Status != "" {
		report(p.name, p.first)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-p.says:
			report(p.name, s)
		}
	}
}

func (p *puppet) lives() (begun, active int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun, p.active
}

// TestProbeLives: the probe runs once per life of the app, alone, and its word is for that
// life; none begins after the stop.
func TestProbeLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &puppet{name: "app", slow: 20 * time.Millisecond, says: make(chan State)}
		l := begin(t, func(_ *life, cfg *Config) {
			cfg.Checks[0].Origin, cfg.Probe = FromProbe, p
		})
		<-l.ready
		l.s.EnvoyUp()
		time.Sleep(time.Second)
		if n, _ := p.lives(); n != 0 {
			t.Error("the probe runs before the app is ready")
		}
		for lives := 1; lives <= 3; lives++ {
			l.s.AppUp()
			time.Sleep(100 * time.Millisecond) // the earlier life's late word comes meanwhile
			if got := l.agent.at(testAlias); got != "critical" {
				t.Errorf("life %d: %s before its first result", lives, got)
			}
			if view := l.s.Snapshot(); view.App != (State{Critical, reasonNoWord}) {
				t.Errorf("life %d: the app is %v", lives, view.App)
			}
			p.says <- State{Passing, "fine"}
			l.within(20*time.Millisecond, "passing", func() bool { return l.agent.at(testAlias) == "passing" })
			p.says <- State{Critical, "ill"}
			l.within(20*time.Millisecond, "critical", func() bool { return l.agent.at(testAlias) == "critical" })
			if view := l.s.Snapshot(); view.App != (State{Critical, "ill"}) {
				t.Errorf("life %d: the app is %v", lives, view.App)
			}
			p.says <- State{Passing, "fine"}
			l.within(20*time.Millisecond, "passing", func() bool { return l.agent.at(testAlias) == "passing" })
			l.s.AppDown()
			l.within(50*time.Millisecond, "critical", func() bool { return l.agent.at(testAlias) == "critical" })
		}
		l.s.AppUp() // and again before anyone has noticed that it was down
		l.s.AppDown()
		l.s.AppUp()
		time.Sleep(50 * time.Millisecond)
		if n, active := p.lives(); n < 4 || n > 5 || active != 1 || p.overlapped {
			t.Errorf("%d lives, %d active, overlapped %v", n, active, p.overlapped)
		}
		begun, _ := p.lives()
		if _, err := l.down(); err != nil {
			t.Error(err)
		}
		l.s.AppDown()
		l.s.AppUp()
		time.Sleep(time.Second)
		if n, active := p.lives(); n != begun || active != 0 {
			t.Errorf("after the stop %d more lives, %d active", n-begun, active)
		}
	})
}

// TestTwoContainers: the sidecar passes only when every container does.
func TestTwoContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = "web-1-other-consul-ecs"
		sib := &puppet{name: "other", says: make(chan State)}
		l := begin(t, func(l *life, cfg *Config) {
			l.agent = newFakeAgent(testCheck, other)
			cfg.Agent, cfg.Siblings = l.agent, sib
			cfg.Checks = append(cfg.Checks, Check{ID: other, Container: "other", Origin: FromSibling})
		})
		<-l.ready
		l.s.EnvoyUp()
		l.s.AppUp()
		for range 3 {
			l.within(20*time.Millisecond, "own check passing", func() bool { return l.agent.at(testCheck) == "passing" })
			time.Sleep(time.Second)
			if got := l.agent.at(testAlias); got != "critical" {
				t.Errorf("one of two passes, the sidecar is %s", got)
			}
			if view := l.s.Snapshot(); view.App.Status != Passing || view.Sidecar.Status != Critical {
				t.Errorf("snapshot %+v", view)
			}
			sib.says <- State{Passing, "HEALTHY"}
			l.within(20*time.Millisecond, "passing", func() bool { return l.agent.at(testAlias) == "passing" })
			time.Sleep(time.Second)
			sib.says <- State{Critical, "UNHEALTHY"}
			l.within(20*time.Millisecond, "critical", func() bool { return l.agent.at(testAlias) == "critical" })
		}
		if took, err := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("stop: %v after %v", err, took)
		}
	})
}

func TestReassertFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		l := begin(t, func(l *life, cfg *Config) {
			cfg.Reassert = func(ctx context.Context) error {
				if fail {
					return errors.New("no leader")
				}
				return l.agent.register(ctx)
			}
		})
		l.up()
		l.agent.restart()
		l.s.AgentUp()
		time.Sleep(10 * time.Second)
		if view := l.s.Snapshot(); view.Trouble == "" {
			t.Error("nothing is told of the failure")
		}
		fail = false
		l.within(2100*time.Millisecond, "registered and passing", func() bool {
			return l.agent.at(testAlias) == "passing" && l.s.Snapshot().Trouble == ""
		})
		l.down()
	})
}

// TestStopDuringReassert: registering again does not keep the stop waiting.
func TestStopDuringReassert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := make(chan struct{}, 1)
		l := begin(t, func(_ *life, cfg *Config) {
			cfg.Reassert = func(ctx context.Context) error {
				begun <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			}
		})
		l.up()
		l.agent.restart()
		l.s.AgentUp()
		<-begun
		if took, err := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestStopUnanswered: an agent that answers nothing is given up at the grace.
func TestStopUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Catalog = l })
		l.up()
		l.agent.set(func() { l.agent.lag = time.Hour })
		l.s.EnvoyDown()
		time.Sleep(time.Millisecond)
		if took, err := l.down(); err == nil || took > stopGrace {
			t.Errorf("%v after %v", err, took)
		}
		if l.removals != 1 {
			t.Error("the catalog was not asked though the checks failed")
		}
	})
}

// TestFollower: what one may conclude from statuses alone.
func TestFollower(t *testing.T) {
	f := follower{arrived: true}
	want := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	f.turn(true)
	want("rising, still critical", f.see(false, true, false), false)
	want("rising, seen to pass", f.see(true, true, false), true)
	f.turn(false)
	want("falling, still passing", f.see(true, false, false), false)
	want("falling, critical", f.see(false, false, false), true)
	f.turn(true)
	f.turn(false)
	want("a rise overtaken by a fall, critical: from before or from now?", f.see(false, false, false), false)
	want("passing: from the rise or late?", f.see(true, false, false), false)
	want("critical again", f.see(false, false, false), false)
	want("critical after the wait", f.see(false, false, true), true)
	f.turn(true)
	want("never rose: something else holds it", f.see(false, true, true), false)
}
