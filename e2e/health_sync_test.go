package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/consulagent"
	"meshtask/e2e/harness"
	"meshtask/health"
	"meshtask/internal/event"
)

// held is how long a busy machine may keep a goroutine between its decision and its call.
// The latch's own walk holds the order itself.
const held = 100 * time.Millisecond

// steps tells the names of the steps about the checks.
func steps(tell func(name string)) event.Report {
	return func(e event.Event) {
		if name, ok := event.Step(e); ok && !strings.HasPrefix(name, "app-") {
			tell(name)
		}
	}
}

// TestHealthReachesTheServers: each cause is at the servers, on the sidecar's check, at
// once; also in the first seconds after the join, when the agent's own sync is asleep.
func TestHealthReachesTheServers(t *testing.T) {
	b := newHealthBed(t, 30*time.Second)
	if err := b.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	notes := make(chan string, 1)
	cfg.Report = steps(func(name string) { notes <- name })
	s := health.New(cfg)
	stop := b.run(s)
	s.AppUp()
	s.EnvoyUp()
	first := b.await(b.alias, "passing")
	<-notes
	causes := map[string][]time.Duration{}
	for range 20 {
		for _, c := range []struct {
			name   string
			cause  func()
			status string
		}{
			{"envoy down", s.EnvoyDown, "critical"}, {"envoy up", s.EnvoyUp, "passing"},
			{"app down", s.AppDown, "critical"}, {"app up", s.AppUp, "passing"},
		} {
			c.cause()
			causes[c.name] = append(causes[c.name], b.await(b.alias, c.status))
			if got := <-notes; got != c.status {
				t.Errorf("%s: the step is %s", c.name, got)
			}
		}
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	took := time.Since(began)
	if got, _, _ := b.at(); got[b.alias] != "critical" || got[b.check] != "critical" {
		t.Errorf("after the stop the server has %v", got)
	}
	t.Logf("first passing %v after app and Envoy; stop to critical acknowledged %v", first, took)
	for name, all := range causes {
		t.Logf("%s → sidecar's check at the server: min/median/max %s", name, quantiles(all))
	}
}

// calls records what a syncer asks its agent to write.
type calls struct {
	*healthBed
	mu  sync.Mutex
	all []call
}

type call struct {
	status     string
	began, end time.Time
}

func (c *calls) UpdateTTL(ctx context.Context, id, status, output string) error {
	began := time.Now()
	err := c.healthBed.UpdateTTL(ctx, id, status, output)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, call{status, began, time.Now()})
	return err
}

// TestHealthLatch stops fifty busy lives at random instants: app, Envoy and agent come and
// go, before the stop and after it.
func TestHealthLatch(t *testing.T) { healthLatch(t, 50) }

func healthLatch(t *testing.T, stops int) {
	b := newHealthBed(t, 300*time.Millisecond)
	if err := b.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	passing, flying := 0, 0
	var took []time.Duration
	for i := range stops {
		if err := b.client.Agent().DisableServiceMaintenance(b.proxy); err != nil { // an earlier stop's
			t.Fatal(err)
		}
		c := &calls{healthBed: b}
		cfg := b.config()
		cfg.Agent, cfg.Grace = c, func() time.Duration { return 20 * time.Second } // a busy machine's
		s := health.New(cfg)
		stop := b.run(s)
		over := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Duration(rng.IntN(8000)) * time.Microsecond):
				}
				[]func(){s.AppUp, s.AppUp, s.EnvoyUp, s.EnvoyUp, s.EnvoyUp, s.AppDown, s.EnvoyDown, s.AgentUp}[rng.IntN(8)]()
			}
		})
		s.AppUp()
		s.EnvoyUp()
		<-time.After(time.Duration(rand.IntN(60000)) * time.Microsecond) // the random instant
		stopped := time.Now()
		if err := stop(); err != nil {
			t.Errorf("stop %d: %v", i, err)
		}
		took = append(took, time.Since(stopped))
		for look := range 10 { // at its end, and afterwards, while the facts go on
			got, _, err := b.at()
			held := got[b.alias] == "critical" || got["_service_maintenance:"+b.proxy] == "critical"
			if err != nil || !held || got[b.check] != "critical" {
				t.Errorf("stop %d, look %d: the server has %v, %v", i, look, got, err)
			}
			<-time.After(2 * time.Millisecond)
		}
		close(over)
		group.Wait()
		was, flew := c.judge(t, i, stopped)
		passing += was
		flying += flew
	}
	t.Logf("%d stops: %d found the check passing, %d a passing write in flight; stop took %s", stops, passing, flying, quantiles(took))
	if passing < stops/10 {
		t.Error("hardly a stop found the check passing: the test has no teeth")
	}
}

// judge looks at what was written around a stop: no passing write begins after it (but for
// the instant in which the call and our clock are read), and none is unanswered when the
// first critical one begins.
func (c *calls) judge(t *testing.T, stop int, stopped time.Time) (passing, flying int) {
	t.Helper()
	var critical time.Time
	for _, w := range c.all {
		if w.status == "critical" && w.began.After(stopped) && (critical.IsZero() || w.began.Before(critical)) {
			critical = w.began
		}
	}
	last := call{}
	for _, w := range c.all {
		if w.began.Before(stopped) && w.began.After(last.began) {
			last = w
		}
		if w.status != "passing" {
			continue
		}
		if late := w.began.Sub(stopped); late > held {
			t.Errorf("stop %d: a passing write began %v after it", stop, late)
		}
		if w.end.After(stopped) {
			flying++
		}
		if w.end.After(critical) && critical.Sub(stopped) < held {
			t.Errorf("stop %d: critical was written while a passing write was in flight", stop)
		}
	}
	if last.status == "passing" {
		passing = 1
	}
	return passing, flying
}

// TestHealthSteadyStateWritesNothing: heartbeats keep the TTL check alive and cost no raft
// write, with a probe whose output is never the same twice.
func TestHealthSteadyStateWritesNothing(t *testing.T) { healthSteady(t, 600*time.Millisecond, 30) }

func healthSteady(t *testing.T, ttl time.Duration, beats int) {
	b := newHealthBed(t, ttl)
	if err := b.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.Checks[0].Origin = health.FromSibling
	cfg.Siblings = steadySource{}
	s := health.New(cfg)
	stop := b.run(s)
	s.AppUp()
	s.EnvoyUp()
	b.await(b.alias, "passing")
	<-time.After(4 * time.Second) // the agent's anti-entropy comes once within 3 s of the join
	before, index, err := b.at()
	if err != nil {
		t.Fatal(err)
	}
	raft, sent, writes, began := b.raft(), b.sent(), s.Snapshot().Writes, time.Now()
	harness.Eventually(t, time.Duration(beats)*ttl, "heartbeats", func() error {
		if n := s.Snapshot().Writes - writes; n < beats {
			return fmt.Errorf("%d of %d", n, beats)
		}
		return nil
	})
	t.Logf("%d heartbeats in %v", s.Snapshot().Writes-writes, time.Since(began).Round(time.Millisecond))
	after, now, err := b.at()
	if err != nil || now != index || after[b.check] != "passing" || after[b.alias] != "passing" {
		t.Errorf("before %v at index %d, after the heartbeats %v at index %d, %v", before, index, after, now, err)
	}
	if n := b.sent(); n != sent {
		t.Errorf("the agent sent %d updates to the servers", n-sent)
	}
	// A server alone writes about one entry a minute of its own.
	t.Logf("raft commit index: %s before, %s after", raft, b.raft())
	if err := stop(); err != nil {
		t.Error(err)
	}
}

type steadySource struct{}

func (steadySource) Run(ctx context.Context, report func(string, health.State)) {
	for {
		report("app", health.State{Status: health.Passing, Output: "fine"})
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sent counts what the agent has sent to the servers, by its own log.
func (b *healthBed) sent() int { return strings.Count(b.agent.Output(), "agent: Synced ") }

// raft is the server's commit index.
func (b *healthBed) raft() string {
	b.t.Helper()
	self, err := b.server.API.Agent().Self()
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprint(self["Stats"]["raft"].(map[string]any)["commit_index"])
}

// TestHealthAfterAgentRestart: killed and started again, with its data and without, the
// agent has everything again, under the same IDs.
func TestHealthAfterAgentRestart(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("told %v", told), func(t *testing.T) {
			b := newHealthBed(t, 3*time.Second)
			if err := b.register(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := health.New(b.config())
			stop := b.run(s)
			s.AppUp()
			s.EnvoyUp()
			b.await(b.alias, "passing")
			for _, empty := range []bool{false, true} {
				b.agent.Kill()
				if empty {
					b.forget()
				}
				b.startAgent()
				if told {
					s.AgentUp()
				}
				began := time.Now()
				// An agent whose sync with the servers has failed tries again after half a minute.
				harness.Eventually(t, 2*time.Minute, "all passing at the agent and the server", func() error {
					local, err := b.Checks(t.Context())
					if err != nil {
						return err
					}
					got, _, err := b.at()
					if err == nil && (local[b.check] != "passing" || local[b.alias] != "passing" || got[b.check] != "passing" || got[b.alias] != "passing") {
						err = fmt.Errorf("agent %v, server %v", local, got)
					}
					return err
				})
				t.Logf("empty data %v: passing again %v after the agent's return", empty, time.Since(began))
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHealthDies: without heartbeats the check turns critical by itself, with the sidecar's.
func TestHealthDies(t *testing.T) {
	b := newHealthBed(t, time.Second)
	if err := b.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	s, done := health.New(b.config()), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() {}, nil) }()
	s.AppUp()
	s.EnvoyUp()
	b.await(b.alias, "passing")
	kill()
	<-done
	b.await(b.check, "critical")
	b.await(b.alias, "critical")
}

// TestHealthNativeChecks: nobody can set them, so maintenance mode stands in.
func TestHealthNativeChecks(t *testing.T) {
	t.Parallel()
	b := newHealthBed(t, 0)
	l, err := net.Listen("tcp", b.address+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.native = api.AgentServiceChecks{{CheckID: "own", Name: "own", TCP: l.Addr().String(), Interval: "100ms"}}
	if err := b.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := health.New(b.config())
	stop := b.run(s)
	held := "_service_maintenance:" + b.proxy
	if got, _, _ := b.at(); got[held] != "critical" || got["_service_maintenance:"+b.service] != "critical" {
		t.Errorf("ready with %v at the server", got)
	}
	b.await("own", "passing")
	s.AppUp()
	s.EnvoyUp()
	b.await(b.alias, "passing")
	b.await(held, "")
	s.EnvoyDown()
	b.await(held, "critical")
	s.EnvoyUp()
	b.await(held, "")
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got, _, _ := b.at(); got[held] != "critical" || got["_service_maintenance:"+b.service] != "critical" {
		t.Errorf("stopped with %v at the server", got)
	}
}

// TestHealthRemoval: critical, then out of the servers' catalog, still at the agent.
func TestHealthRemoval(t *testing.T) {
	t.Parallel()
	b := newHealthBed(t, 30*time.Second)
	if err := b.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	notes := make(chan string, 16)
	var removed bool
	cfg.Catalog, cfg.Removed = b, func(ok bool) { removed = ok }
	cfg.Report = steps(func(name string) { notes <- name })
	s := health.New(cfg)
	stop := b.run(s)
	s.AppUp()
	s.EnvoyUp()
	b.await(b.alias, "passing")
	steps := []string{<-notes}
	<-time.After(consulagent.FirstSync) // until then a sync that has begun may put it back (adr 12): no event tells
	if err := stop(); err != nil || !removed {
		t.Errorf("stop: %v, removed %v", err, removed)
	}
	if got, _, err := b.at(); err != nil || got[b.check] != "" || got[b.alias] != "" {
		t.Errorf("the server still has %v, %v", got, err)
	}
	if local, err := b.Checks(t.Context()); err != nil || local[b.alias] != "critical" {
		t.Errorf("the agent has %v, %v", local, err)
	}
	for len(notes) > 0 {
		steps = append(steps, <-notes)
	}
	if fmt.Sprint(steps) != "[passing critical removed]" {
		t.Errorf("steps %q", steps)
	}
}
