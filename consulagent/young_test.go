package consulagent

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/eventually"
)

// An agent whose first full sync may still come is not asked to leave before it is over: that
// sync would write its node back, and might be the last that it does.
func TestLeaveOfAYoungAgent(t *testing.T) {
	for name, c := range map[string]struct {
		atOnce bool
		grace  time.Duration
		min    time.Duration // from the stop to the TERM
		silent bool          // there is no wait
	}{
		"its first sync is over first": {grace: 10 * time.Second, min: FirstSync - time.Second},
		"no time for it":               {grace: 3 * time.Second, min: 500 * time.Millisecond},
		"a job does not wait":          {atOnce: true, grace: 10 * time.Second, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			var begun time.Time
			asked := make(chan time.Duration, 1)
			a := act(t, "running joined", func(f *servers) {
				asked <- time.Since(begun)
				vanish(f)
			})
			var log bytes.Buffer
			a.cfg.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
			a.cfg.LeaveAtOnce, a.cfg.Grace = c.atOnce, func() time.Duration { return c.grace }
			ready, stop := a.run(t)
			eventually.Get(t, "ready", ready)
			begun = time.Now()
			if _, err := stop(); err != nil || !a.told("step left result verified") || a.told("killed") {
				t.Errorf("%v: %q", err, a.notes)
			}
			if waited := eventually.Get(t, "the TERM", asked); waited < c.min {
				t.Errorf("TERM after %v, want at least %v", waited, c.min)
			}
			line := regexp.MustCompile(`(?m)\[INFO\] +the agent stays until .* \(docs/adr/0012\): for=[0-9.]+m?s joined="[0-9.]+m?s ago"$`)
			if got := len(line.FindAllString(log.String(), -1)); got > 1 || (got == 0) != c.silent {
				t.Errorf("the wait is said %d times, silent %v:\n%s", got, c.silent, log.String())
			}
		})
	}
}
