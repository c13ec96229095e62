package consulagent

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/eventually"
)

// An agent whose first full sync may still come is not killed before it has: the node that
// it writes back is seen, and removed.
func TestLeaveOfAYoungAgent(t *testing.T) {
	for name, c := range map[string]struct {
		atOnce bool
		back   bool // the node comes back once
		stuck  bool // and cannot be removed
		grace  time.Duration
		want   string
		drops  int
		min    time.Duration
		silent bool // the wait is too short to be said, or there is none
	}{
		"nothing comes back":   {grace: 10 * time.Second, want: "verified", min: FirstSync - time.Second},
		"the node comes back":  {grace: 10 * time.Second, back: true, want: "verified", drops: 1, min: FirstSync - time.Second},
		"it cannot be removed": {grace: 10 * time.Second, back: true, stuck: true, want: "unverified", drops: 1},
		"no time for it":       {grace: time.Second, want: "verified", min: 500 * time.Millisecond},
		"a job does not wait":  {atOnce: true, grace: 10 * time.Second, want: "verified", silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := act(t, "running joined", vanish)
			var log bytes.Buffer
			a.cfg.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
			a.cfg.LeaveAtOnce, a.cfg.Grace = c.atOnce, func() time.Duration { return c.grace }
			ready, stop := a.run(t)
			eventually.Get(t, "ready", ready)
			seen := make(chan struct{})
			go func() {
				defer close(seen)
				eventually.True(t, "the node is gone", func() (gone bool) {
					a.servers.With(func(s *consulfake.State) { gone = !s.Listed })
					return gone
				})
				looks := a.servers.Count("GET /v1/catalog/node/")
				eventually.True(t, "and was seen to be", func() bool { return !c.back || a.servers.Count("GET /v1/catalog/node/") > looks+1 })
				if c.stuck {
					a.servers.Fail("/v1/catalog/deregister", forbidden)
				}
				a.servers.With(func(s *consulfake.State) { s.Listed = c.back })
			}()
			took, err := stop()
			<-seen
			if err != nil || !a.told("step left result "+c.want) || a.told("killed") {
				t.Errorf("%v: %q", err, a.notes)
			}
			if c.back != strings.Contains(strings.Join(a.notes, "\n"), "back 1") {
				t.Errorf("it came back: %q", a.notes)
			}
			line := regexp.MustCompile(`(?m)\[INFO\] +the agent's node is watched .* \(docs/adr/0012\): for=[0-9.]+m?s joined="[0-9.]+m?s ago"$`)
			if got := len(line.FindAllString(log.String(), -1)); got > 1 || (got == 0) != c.silent && c.grace > time.Second {
				t.Errorf("the wait is said %d times, silent %v:\n%s", got, c.silent, log.String())
			}
			if got := a.servers.Count(dropNode); got != c.drops {
				t.Errorf("the node was removed %d times, want %d", got, c.drops)
			}
			if took < c.min {
				t.Errorf("it took %v, want at least %v", took, c.min)
			}
		})
	}
}
