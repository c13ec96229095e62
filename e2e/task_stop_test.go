package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

const (
	randomTerms = 40
	beside      = 8 // of them run at the same time
)

// TERM at any instant of a life ends it in good order: nothing is left at the
// servers within three seconds of the exit, no process, and no ghost after all.
func TestTaskTermAtRandomInstants(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	termsAtRandom(t, server, func(map[string]any) {})
}

func termsAtRandom(t *testing.T, server *harness.Server, edit func(map[string]any)) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var at [randomTerms]time.Duration
	for i := range at { // half of them while it starts, half up to its full life
		at[i] = time.Duration(random.Int64N(int64([]time.Duration{600 * time.Millisecond, 3 * time.Second}[i%2])))
	}
	t.Run("all", func(t *testing.T) {
		for lane := range beside {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for i := lane; i < randomTerms; i += beside {
					t.Run(fmt.Sprintf("%d-at-%v", i, at[i].Round(time.Millisecond)), func(t *testing.T) { termAt(t, server, i, at[i], edit) })
				}
			})
		}
	})
	server.Empty(t, soon)
}

func termAt(t *testing.T, server *harness.Server, n int, instant time.Duration, edit func(map[string]any)) {
	m := startTask(t, server, fmt.Sprintf("random-%d", n), "random", func(c map[string]any) {
		edit(c)
		if n%4 != 0 { // the wait is the same for all; most runs go without
			c["shutdown"] = map[string]any{"drain": map[string]any{"propagationWait": "0s"}}
		}
	})
	select { // the instant is the point here, whatever has happened by then
	case <-time.After(instant):
	case <-m.Done():
	}
	m.term(t)
	code := m.Wait(t, soon)
	m.gone(t)
	if code != 0 && code != 143 {
		t.Errorf("exit code %d, want 0 or 143:\n%s", code, m.Tail(30))
	}
	m.unlisted(t, server)
	if _, err := os.Stat(filepath.Join(m.Dir, "timeline.jsonl")); code == 143 && err != nil {
		return // TERM came before there was anything to tell
	}
	if s := m.Summary(t); s.Left == "unverified" {
		t.Errorf("the leave was not verified:\n%s", m.Tail(30))
	}
}

// A second TERM skips the waits; the app still has its time.
func TestTaskSecondTerm(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "twice", "twice", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "120s", "drain": map[string]any{"propagationWait": "90s"}}
	})
	m.up(t)
	m.term(t)
	m.Await(t, soon, "down", "health-sync", "ended", "")
	m.term(t)
	s := m.ended(t, 0) // which waits for less than the 90 s
	if s.Left != "verified" || s.Deregistered != "verified" || len(s.Forced()) > 0 {
		t.Errorf("summary %+v", s)
	}
	server.Empty(t, soon)
}

// A third TERM kills what is left.
func TestTaskThirdTerm(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "thrice", "thrice", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "120s", "drain": map[string]any{"propagationWait": "90s"}}
	}, "--term", "ignore")
	m.up(t)
	m.term(t)
	m.Await(t, soon, "down", "health-sync", "ended", "")
	m.term(t)
	m.Await(t, soon, "down", "app", "stop", "") // the second one has been taken: two at once are one
	m.term(t)
	s := m.ended(t, 137) // which waits for less than the app's budget
	if !slices.Contains(s.Killed, "app") {
		t.Errorf("killed: %v, want the app", s.Killed)
	}
	m.unpassing(t, server, "thrice")
}

// A TERM while a dead Envoy is waited for is an ordinary stop.
func TestTaskTermDuringBackoff(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "backoff", "backoff", func(c map[string]any) {
		c["envoy"] = map[string]any{"restart": map[string]any{"max": 1, "window": "60s", "backoff": "55s", "maxBackoff": "55s"}}
	})
	m.up(t)
	m.kill(t, "envoy", 1)
	m.Await(t, soon, "up", "envoy", "restart", "")
	m.term(t)
	if s := m.ended(t, 0); s.Left != "verified" || s.Restarts["envoy"] != 1 {
		t.Errorf("left %s, restarts %v", s.Left, s.Restarts)
	}
	server.Empty(t, soon)
}

// With agentLeave "first" the agent has left long before a slow app has ended;
// with "last" it leaves after Envoy. The app's code and its signal are its own.
func TestTaskSlowAppOnBothTimelines(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	for _, leave := range []string{"first", "last"} {
		t.Run(leave, func(t *testing.T) {
			t.Parallel()
			m := prepare(t, server, "slow-"+leave, "slow-"+leave, func(c map[string]any) {
				delete(c["service"].(map[string]any), "port")
				c["shutdown"] = map[string]any{"agentLeave": leave, "drain": map[string]any{"propagationWait": "300ms"}}
				c["app"] = map[string]any{"signal": "leader", "stopSignal": "USR1"}
			})
			m.Task = harness.StartTask(t, harness.TaskConfig{Name: "slow-" + leave, Config: m.config,
				CMD: []string{"/bin/sh", "-c", `trap "echo got USR1; sleep 3; exit 5" USR1; echo up; while :; do sleep 0.1; done`}})
			m.up(t)
			m.term(t)
			s := m.ended(t, 5)
			if s.Reason != "TERM" || s.Left != "verified" || s.Deregistered != "verified" || len(s.Forced()) > 0 {
				t.Errorf("summary %+v", s)
			}
			if leave == "last" {
				m.inOrder(t, "down", [3]string{"", "step", "removed"}, [3]string{"app", "ended"}, [3]string{"envoy", "ended"},
					[3]string{"consul-agent", "stop"}, [3]string{"", "step", "left"})
			} else {
				m.inOrder(t, "down", [3]string{"", "step", "critical"}, [3]string{"mesh-init", "ended"}, [3]string{"consul-agent", "stop"},
					[3]string{"", "step", "left"}, [3]string{"app", "ended"}, [3]string{"envoy", "ended"})
				m.without(t, "down", "", "step", "removed")
			}
			m.unlisted(t, server)
		})
	}
}

// An agent that is stopped (not dead) answers nothing: the summary does not claim what was not
// seen. How long this and the next may take is measured by BenchmarkHeldStops.
func TestTaskAgentFrozen(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "frozen", "frozen", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "10s"}
	})
	m.up(t)
	freeze(t, m.pid(t, "consul-agent", 1))
	m.term(t)
	m.ended(t, 0)
	m.unpassing(t, server, "frozen")
}

// Everything refuses to die: what does not end is killed.
func TestTaskNobodyWantsToDie(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "undead", "undead", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "8s"}
	}, "--term", "ignore")
	m.up(t)
	freeze(t, m.pid(t, "envoy", 1))
	m.term(t)
	s := m.ended(t, 137)
	if !slices.Contains(s.Killed, "app") || !slices.Contains(s.Killed, "envoy") {
		t.Errorf("killed %v, want app and envoy", s.Killed)
	}
	m.unpassing(t, server, "undead")
}

// unpassing: after the exit the instance is not in the catalog as passing.
func (m member) unpassing(t testing.TB, server *harness.Server, service string) {
	t.Helper()
	harness.Eventually(t, soon, "no passing instance of "+service, func() error {
		entries, err := server.Instances(service)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Checks.AggregatedStatus() == "passing" {
				return fmt.Errorf("%s passes", e.Service.ID)
			}
		}
		return nil
	})
}
