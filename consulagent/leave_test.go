package consulagent

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/faulty"
	"meshtask/supervisor"
)

func vanish(f *servers) { f.With(func(s *consulfake.State) { s.Listed = false }) }

func hide(f *servers) { f.With(func(s *consulfake.State) { s.Listed, s.Hidden = false, true }) }

const (
	dropNode = "PUT /v1/catalog/deregister"
	anyTerms = -1               // calls that hang make the steps late: the removal, and so the recipe's own KILL, comes or not
	ample    = 20 * time.Second // a grace that no machine spends on the calls of a leave
)

func TestLeave(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		begun  func(*servers) // what a leave does to the servers
		before func(*servers) // what happens between ready and stop
		grace  time.Duration  // 0 is ample
		want   string         // of the note
		terms  int            // that the agent has heard
		killed bool
		drops  int // tries to remove the node by force
		looks  int // for the node, at most; 0: any number
		min    time.Duration
	}{
		"in order": {script: "running joined", begun: vanish, want: "verified", terms: 1},
		"a swallowed TERM is sent again": {script: "swallow running joined", begun: vanish, want: "verified", terms: 2,
			min: graceMax},
		"gossip is too slow": {script: "running joined", want: "verified", terms: 1, drops: 1, looks: 70, min: goneMax},
		"looks that fail are few": {script: "running joined", want: "unverified", terms: 1, drops: 1, looks: 20, min: goneMax,
			begun: func(f *servers) {
				f.Fail("/v1/catalog/", faulty.Answer(http.StatusInternalServerError, "rpc error: EOF"))
			}},
		"the agent's token does not exist": {script: "running joined", begun: vanish, want: "verified", terms: 1,
			before: func(f *servers) { f.With(func(s *consulfake.State) { delete(s.Tokens, "agent-secret") }) }},
		"neither token exists": {script: "running joined", begun: vanish, want: "unverified", terms: 1, drops: 1, looks: 40,
			before: func(f *servers) { f.Fail("/v1/catalog/", unknownToken) }},
		"too slow, and the node may not be removed": {script: "running joined", want: "unverified", terms: 1, drops: 1,
			before: func(f *servers) { f.Fail("/v1/catalog/deregister", forbidden) },
			min:    goneMax},
		"it comes back": {script: "running joined", want: "unverified", terms: 1, drops: removeTries, min: goneMax,
			before: func(f *servers) { f.With(func(s *consulfake.State) { s.Sticky = true }) }},
		"deaf": {script: "deaf running joined", want: "verified", terms: 2, drops: 1, killed: true, min: goneMax},
		"deaf after a while": {script: "deaf running joined", want: "verified", terms: 1, drops: 1, killed: true, min: goneMax,
			before: func(*servers) { <-time.After(heedMax + graceMax) }}, // its age is what counts
		"no server": {script: "running joined", want: "unverified", killed: true,
			before: func(f *servers) { f.With(func(s *consulfake.State) { s.Joined = false }) }},
		"no answers": {script: "running joined", grace: graceDefault, want: "unverified", terms: anyTerms,
			before: func(f *servers) { f.Fail("/v1/", faulty.Fault{Hang: true}) }},
		"an answer that hides the node": {script: "running joined", want: "unverified", terms: 1, drops: 1,
			before: hide, min: knownMax + goneMax},
		"hidden is not gone": {script: "running joined", want: "unverified", terms: 1, drops: 1, min: goneMax,
			begun: hide},
		"it dies of TERM": {script: "dies running joined", want: "unverified"},
		"little grace":    {script: "deaf running joined", grace: 1500 * time.Millisecond, want: "verified", terms: 2, drops: 1, killed: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := act(t, c.script, c.begun)
			a.cfg.Grace = func() time.Duration { return cmp.Or(c.grace, ample) }
			ready, stop := a.run(t)
			eventually.Get(t, "ready", ready)
			if c.before != nil {
				c.before(a.servers)
			}
			took, err := stop()
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
			if !a.told("step left result " + c.want) {
				t.Errorf("left is not %s: %q", c.want, a.notes)
			}
			if a.terms != c.terms && c.terms != anyTerms {
				t.Errorf("it has got %d TERMs, want %d", a.terms, c.terms)
			}
			if a.told("killed") != c.killed && c.terms != anyTerms {
				t.Errorf("killed: %v, want %v", !c.killed, c.killed)
			}
			late := c.begun != nil && took >= goneMax // a busy machine is as slow as slow gossip
			if got := a.servers.Count(dropNode); got != c.drops && !late && c.terms != anyTerms {
				t.Errorf("the node was removed %d times, want %d", got, c.drops)
			}
			if got := a.servers.Count("GET /v1/catalog/node/"); c.looks > 0 && got > c.looks {
				t.Errorf("it has looked for the node %d times, want %d at most", got, c.looks)
			}
			if token := last(a.servers, dropNode).Token; c.drops > 0 && token != "agent-secret" {
				t.Errorf("the node was removed with token %q", token)
			}
			if took < c.min {
				t.Errorf("it took %v, want at least %v", took, c.min)
			}
		})
	}
}

// What was asked to stop before it was ready.
func TestLeaveEarly(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		waits  string // what it waits for when the stop comes
		listed bool
		want   string
		terms  int
		drops  int
	}{
		"never joined":       {"running refused", "connection refused", false, "skipped", 0, 0},
		"no word of a join":  {"running", "the agent to join", false, "skipped", 0, 0},
		"still starting":     {"joined", "a leader", true, "unverified", 0, 0},
		"a join under way":   {"running later joined", "the agent to join", false, "unverified", 1, 1},
		"joined, not listed": {"running joined", "a leader", false, "unverified", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := act(t, c.script, vanish)
			a.cfg.Grace = func() time.Duration { return ample }
			a.servers.With(func(s *consulfake.State) { s.Leader, s.Listed = "", c.listed })
			_, stop := a.run(t)
			eventually.True(t, "the agent's last word", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return strings.Contains(strings.Join(a.why, "\n"), c.waits)
			})
			took, err := stop()
			if err != nil || !a.told("step left result "+c.want) || a.terms != c.terms {
				t.Errorf("%v after %v: %q, %d TERMs; want %s, %d", err, took, a.notes, a.terms, c.want, c.terms)
			}
			if got := a.servers.Count(dropNode); got != c.drops {
				t.Errorf("the node was removed %d times, want %d", got, c.drops)
			}
		})
	}
}

func TestStoppedAgentLeaves(t *testing.T) {
	a := act(t, "running joined", vanish)
	ready, stop := a.run(t)
	eventually.Get(t, "ready", ready)
	pid := a.pid(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if took, err := stop(); err != nil || !a.told("step left result verified") || a.told("killed") || a.servers.Count(dropNode) > 0 {
		t.Errorf("%v after %v: %q", err, took, a.notes)
	}
}

func TestDoneContextKillsAtOnce(t *testing.T) {
	a := act(t, "deaf running joined", nil)
	unit := New(*a.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- unit.Run(ctx, func() { close(ready) }, make(chan struct{})) }()
	eventually.Get(t, "ready", ready)
	cancel()
	if err := <-done; err != nil || !a.told("killed") || a.told("step left") {
		t.Errorf("%v: %q", err, a.notes)
	}
}

func TestEndedUnasked(t *testing.T) {
	a := act(t, "serve", nil) // the test has the port
	err := New(*a.cfg).Run(context.Background(), func() { t.Error("it was ready") }, make(chan struct{}))
	exit, ok := errors.AsType[*supervisor.Exit](err)
	if !ok || exit.Status() != 1 || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestJoinTimeout(t *testing.T) {
	a := act(t, "running refused", nil)
	a.servers.With(func(s *consulfake.State) { s.Leader = "" })
	a.cfg.JoinTimeout = 300 * time.Millisecond
	err := New(*a.cfg).Run(context.Background(), func() { t.Error("it was ready") }, make(chan struct{}))
	late, ok := errors.AsType[*JoinError](err)
	if !ok || !strings.Contains(err.Error(), "Failed to join 10.0.0.1:8301: dial tcp 10.0.0.1:8301: connect: connection refused") || late.What != "the agent to join" {
		t.Errorf("got %v", err)
	}
}

// A later life may wait for servers for as long as it takes.
func TestLaterLifeIsNotGivenUp(t *testing.T) {
	a := act(t, "running joined", vanish)
	unit := New(*a.cfg)
	unit.joined = true // an earlier Run was ready
	unit.c.JoinTimeout = time.Millisecond
	a.servers.With(func(s *consulfake.State) { s.Leader = "" })
	ready, stop := a.live(t, unit)
	eventually.True(t, "questions for the leader", func() bool { return a.servers.Count("GET /v1/status/leader") > 5 })
	a.servers.With(func(s *consulfake.State) { s.Leader = "10.0.0.1:8300" })
	eventually.Get(t, "ready", ready)
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

// A second life keeps what the first has registered; the first does not keep what it finds.
func TestLivesAndFiles(t *testing.T) {
	a := act(t, "running joined", vanish)
	services := a.doc.DataDir + "/services"
	plant := func() {
		if err := os.MkdirAll(services, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	plant()
	if err := os.WriteFile(a.doc.DataDir+"/node-id", []byte("id"), 0o600); err != nil {
		t.Fatal(err)
	}
	unit := New(*a.cfg)
	for life := range 2 {
		a.servers.With(func(s *consulfake.State) { s.Listed = true })
		ready, stop := a.live(t, unit)
		eventually.Get(t, "ready", ready)
		_, err := os.Stat(services)
		if kept := err == nil; kept != (life == 1) {
			t.Errorf("life %d: services kept: %v", life, kept)
		}
		plant()
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	}
	if id, err := os.ReadFile(a.doc.DataDir + "/node-id"); err != nil || string(id) != "id" {
		t.Errorf("the node ID is lost: %q, %v", id, err)
	}
	info, err := os.Stat(a.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v; want 0600", a.file, info.Mode(), err)
	}
}

func (a *acted) pid(t *testing.T) int {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.notes {
		if f := strings.Fields(n); len(f) == 6 && f[1] == "exec" {
			pid, err := strconv.Atoi(f[5])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no exec among %q", a.notes)
	return 0
}
