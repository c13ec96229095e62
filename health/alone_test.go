package health

import (
	"testing"
	"testing/synctest"
	"time"
)

// Without an app the checks follow Envoy, and nothing is said of an app.
func TestAloneFollowsEnvoy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(_ *life, cfg *Config) { cfg.Alone = true })
		<-l.ready
		synctest.Wait()
		l.s.EnvoyUp()
		l.within(time.Second, "passing", func() bool { return l.agent.at(testCheck) == "passing" })
		l.within(time.Second, "what it says", func() bool { return l.s.Snapshot().Sidecar == State{Passing, reasonListens} })
		l.s.EnvoyDown()
		l.within(time.Second, "critical", func() bool { return l.agent.at(testCheck) == "critical" })
		if _, err := l.down(); err != nil || len(l.app) > 0 {
			t.Errorf("%v; told of the app: %v", err, l.app)
		}
	})
}

// An agent that has neither the check of the listener nor the maintenance mode has lost the
// registration.
func TestProof(t *testing.T) {
	l := latch{proof: []string{"listener", "maintenance"}}
	for name, c := range map[string]struct {
		known map[string]string
		lacks bool
	}{"both": {map[string]string{"listener": "", "maintenance": ""}, false}, "one": {map[string]string{"maintenance": ""}, false}, "the other": {map[string]string{"listener": ""}, false}, "none": {map[string]string{"serfHealth": ""}, true}} {
		if got := l.lacks(c.known) != ""; got != c.lacks {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (&latch{}).lacks(nil) != "" {
		t.Error("no proof is asked for")
	}
}
