package health

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestCriticalUntilAppAndEnvoyAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		if got := l.agent.log(); len(got) != 2 || got[0].status != "critical" {
			t.Errorf("ready after writes %v, want critical and its second write", got)
		}
		l.s.AppUp()
		time.Sleep(time.Second)
		if got := l.agent.at(testCheck); got != "critical" {
			t.Errorf("without Envoy: %s", got)
		}
		l.up()
		l.wantSteps("step passing")
		if took, err := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("stop: %v after %v", err, took)
		}
		l.wantSteps("step passing", "step critical")
	})
}

// TestCauseToCritical: whatever ends takes the sidecar with it within 50 ms, and its return
// brings it back.
func TestCauseToCritical(t *testing.T) {
	for name, tc := range map[string]struct{ down, up func(*Syncer) }{
		"Envoy": {(*Syncer).EnvoyDown, (*Syncer).EnvoyUp},
		"app":   {(*Syncer).AppDown, (*Syncer).AppUp},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := begin(t, nil)
				l.up()
				for range 3 {
					time.Sleep(time.Second)
					tc.down(l.s)
					l.within(50*time.Millisecond, "critical at the servers", func() bool {
						return l.agent.at(testAlias) == "critical" && l.agent.at(testCheck) == "critical"
					})
					time.Sleep(time.Second)
					tc.up(l.s)
					l.within(20*time.Millisecond, "passing again", func() bool { return l.agent.at(testAlias) == "passing" })
				}
				l.down()
				if l.steps[1] != "step critical" || l.steps[2] != "step passing" {
					t.Errorf("steps %q", l.steps)
				}
			})
		})
	}
}

// TestCauseWhileTurningPassing: a cause that comes while the alias check is awaited is not
// kept waiting by it.
func TestCauseWhileTurningPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		l.agent.set(func() { l.agent.alias = 80 * time.Millisecond })
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(10 * time.Millisecond)
		l.s.EnvoyDown()
		l.within(10*time.Millisecond, "critical", func() bool { return l.agent.at(testCheck) == "critical" })
		time.Sleep(time.Second)
		if got := l.agent.at(testAlias); got != "critical" {
			t.Errorf("alias at the servers: %s", got)
		}
		l.wantSteps()
		l.down()
	})
}

func TestHeartbeatIsConstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		l.up()
		time.Sleep(time.Second)
		before := len(l.agent.log())
		time.Sleep(10 * time.Minute)
		beats := l.agent.log()[before:]
		if len(beats) != 60 {
			t.Errorf("%d heartbeats in 10 min, want 60 (TTL 30 s)", len(beats))
		}
		for i, b := range beats {
			if b.status != "passing" || b.output != reasonRunning {
				t.Errorf("heartbeat %d says %s %q", i, b.status, b.output)
			}
		}
		l.down()
	})
}

func TestJobIsCriticalForLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(_ *life, cfg *Config) { cfg.Never = true })
		<-l.ready
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(time.Hour)
		for _, a := range l.agent.log() {
			if a.status != "critical" {
				t.Fatalf("a job's check was %s at %v", a.status, a.at)
			}
		}
		if view := l.s.Snapshot(); view.App.Status != Passing || view.Sidecar.Status != Critical {
			t.Errorf("snapshot %+v", view)
		}
		l.down()
		l.wantSteps("step critical")
	})
}

func TestNativeChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) {
			cfg.Checks = nil
			l.agent.service = []string{"native"}
			l.agent.local["native"] = "critical" // as Consul starts them
		})
		both := func() bool {
			return l.agent.at(MaintenanceID(testService)) == "critical" && l.agent.at(MaintenanceID(testProxy)) == "critical"
		}
		none := func() bool {
			return l.agent.at(MaintenanceID(testService)) == "" && l.agent.at(MaintenanceID(testProxy)) == ""
		}
		<-l.ready
		if !both() {
			t.Error("ready without maintenance mode")
		}
		l.s.EnvoyUp()
		l.s.AppUp()
		l.within(20*time.Millisecond, "no maintenance mode", none)
		l.within(200*time.Millisecond, "told", func() bool { return l.count("step passing") == 1 })
		l.s.EnvoyDown()
		l.within(50*time.Millisecond, "maintenance mode again", func() bool { return both() && l.count("step critical") == 1 })
		l.agent.set(func() { l.agent.local["native"] = "passing"; l.agent.follow() })
		l.s.EnvoyUp()
		l.within(20*time.Millisecond, "passing", func() bool { return none() && l.agent.at(testAlias) == "passing" && l.count("step passing") == 2 })
		if took, err := l.down(); err != nil || took > 50*time.Millisecond || !both() {
			t.Errorf("stop: %v after %v, maintenance mode %v", err, took, both())
		}
		l.wantSteps("step passing", "step critical", "step passing", "step critical")
	})
}
