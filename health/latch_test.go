package health

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestLatchFuzz stops at a random instant of a busy life: app, Envoy and the agent come and
// go while the agent answers late, or is asked again before it has answered. Whatever was
// in flight, the check never passes again once it was critical after the stop, and is
// critical at the end, with the sidecar's.
func TestLatchFuzz(t *testing.T) {
	const stops = 1000
	passed, inFlight := 0, 0
	for seed := range uint64(stops) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			l := begin(t, func(l *life, cfg *Config) {
				l.agent.jitter = rand.New(rand.NewPCG(seed, 1))
				l.agent.lag = time.Duration(rng.Int64N(int64(40*time.Millisecond)) + 1)
				l.agent.alias = time.Duration(rng.Int64N(int64(20*time.Millisecond)) + 1)
				cfg.TTL = time.Duration(rng.Int64N(int64(200*time.Millisecond))) + 20*time.Millisecond
				cfg.Catalog = l
			})
			over := make(chan struct{})
			go func() { // does not stop at the stop
				for {
					select {
					case <-over:
						return
					case <-time.After(time.Duration(rng.Int64N(int64(30*time.Millisecond)) + 1)):
					}
					restart := func() {
						l.agent.restart()
						l.s.AgentUp()
					}
					[]func(){l.s.AppUp, l.s.AppUp, l.s.AppUp, l.s.EnvoyUp, l.s.EnvoyUp, l.s.EnvoyUp, l.s.AppDown, l.s.EnvoyDown, l.s.AgentUp, l.s.Renew, restart}[rng.IntN(11)]()
				}
			}()
			time.Sleep(time.Duration(rand.New(rand.NewPCG(seed, 2)).Int64N(int64(400 * time.Millisecond))))
			stopped := time.Now()
			close(l.stop)
			if err := <-l.done; err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			ended := time.Now()
			time.Sleep(time.Second)
			close(over)

			critical := false
			for _, a := range l.agent.log() {
				switch {
				case a.at.Before(stopped):
					if a.status == "passing" {
						passed++
					}
				case a.status == "critical":
					critical = true
				case critical:
					t.Errorf("seed %d: passing %v after the stop, and critical before", seed, a.at.Sub(stopped))
				default:
					inFlight++
				}
				if a.at.After(ended) {
					t.Errorf("seed %d: a write %v after the end", seed, a.at.Sub(ended))
				}
			}
			// Either check makes the sidecar critical; one that was forgotten passes nowhere.
			c, s, m := l.agent.at(testCheck), l.agent.at(testAlias), l.agent.at(MaintenanceID(testProxy))
			if c == "passing" || s == "passing" && m != "critical" {
				t.Errorf("seed %d: at the end the servers have %q, sidecar %q, in maintenance %q", seed, c, s, m)
			}
		})
	}
	if passed < stops || inFlight < stops/100 {
		t.Errorf("the fuzz has no teeth: %d passing writes before the stop, %d in flight at it", passed, inFlight)
	}
	t.Logf("%d stops: %d passing writes before, %d of them in flight at the stop", stops, passed, inFlight)
}

// TestLatchOvertaken: a passing write that hangs longer than we wait for it is answered by
// another critical one before Run returns.
func TestLatchOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		l.agent.set(func() { l.agent.lag = 400 * time.Millisecond })
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(time.Millisecond)
		l.agent.set(func() { l.agent.lag = time.Millisecond })
		if took, err := l.down(); err != nil || took < 700*time.Millisecond || took > 1800*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		log := l.agent.log()
		if last := log[len(log)-1]; last.status != "critical" {
			t.Errorf("the last write at the agent is %s", last.status)
		}
		if got := l.agent.at(testAlias); got != "critical" {
			t.Errorf("alias at the servers: %s", got)
		}
	})
}

// TestLatchAtTheWrite: a passing write that was decided on before the stop does not begin
// after it.
func TestLatchAtTheWrite(t *testing.T) {
	f := newFakeAgent(testCheck)
	s := New(Config{Agent: f, Service: testService, Checks: []Check{{ID: testCheck}}})
	stop := make(chan struct{})
	s.stop = stop
	close(stop)
	if err := s.putOne(t.Context(), Write{ID: testCheck, State: State{Status: Passing}}); !errors.Is(err, errLatched) {
		t.Errorf("passing: %v", err)
	}
	if err := s.putOne(t.Context(), Write{ID: testCheck, State: State{Status: Critical}}); err != nil {
		t.Errorf("critical: %v", err)
	}
	if log := f.log(); len(log) != 1 || log[0].status != "critical" {
		t.Errorf("written: %v", log)
	}
}

// TestStopInTheMiddleOfATurn: an alias check that has yet to notice that the checks passed
// is neither trusted nor waited for.
func TestStopInTheMiddleOfATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		l.agent.set(func() { l.agent.alias = 80 * time.Millisecond })
		l.s.EnvoyUp()
		l.s.AppUp()
		l.within(10*time.Millisecond, "passing", func() bool { return l.agent.at(testCheck) == "passing" })
		if took, err := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		for range 200 { // the alias check turns twice meanwhile
			if l.agent.at(MaintenanceID(testProxy)) != "critical" && l.agent.at(testAlias) == "passing" {
				t.Fatal("the sidecar passes after the stop")
			}
			time.Sleep(time.Millisecond)
		}
	})
}
