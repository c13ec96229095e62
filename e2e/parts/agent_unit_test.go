package parts

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/consulagent"
	"meshtask/e2e/harness"
	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

const (
	agentService = "web-t1"
	agentProxy   = "web-t1-sidecar-proxy"
	agentTTL     = "web-t1-app-consul-ecs"
	agentAlias   = "service:web-t1-sidecar-proxy:2"
	agentPublic  = "service:web-t1-sidecar-proxy:1"
)

func TestAgentLife(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{})
	a := b.agent("t1").run(supervisor.Policy{})
	joined := a.up()
	ctx := t.Context()
	begun := time.Now()
	if err := a.client.Register(ctx); err != nil {
		t.Fatal(err)
	}
	registered := time.Since(begun)
	want := map[string]string{"serfHealth": "passing", agentTTL: "critical", agentAlias: "critical"}
	if diff := cmp.Diff(want, a.statuses()); diff != "" {
		t.Errorf("after registration, at the servers (-want +got):\n%s", diff)
	}
	l, err := net.Listen("tcp", a.address+":20000") // the agent looks at it, soon or late
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := a.client.AddListenerCheck(ctx, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second write sends what the alias has become
		if err := a.client.UpdateTTL(ctx, agentTTL, "passing", "up"); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, eventually.Patience, "a passing alias", func() error {
			if checks, err := a.client.Checks(ctx); err != nil || checks[agentAlias] != "passing" {
				return errNotYet
			}
			return nil
		})
	}
	want = map[string]string{"serfHealth": "passing", agentTTL: "passing", agentAlias: "passing", agentPublic: "passing"}
	if diff := cmp.Diff(want, a.statuses()); diff != "" {
		t.Errorf("after the second write, at the servers (-want +got):\n%s", diff)
	}

	// In its first seconds the agent's full sync may write them back: then once more.
	harness.Eventually(t, eventually.Patience, "a node without services", func() error {
		if err := a.client.RemoveFromCatalog(ctx); err != nil {
			return err
		}
		if got := a.services(); len(got) != 0 {
			return fmt.Errorf("the servers still list %v", got)
		}
		return nil
	})
	if checks, err := a.client.Checks(ctx); err != nil || checks[agentAlias] == "" {
		t.Errorf("the agent has lost the sidecar with the catalog: %v, %v", checks, err)
	}
	if result, err := a.client.Deregister(ctx); result != registration.Verified {
		t.Errorf("deregistration: %s, %v", result, err)
	}
	result, took := a.leave()
	if result != "verified" || a.err != nil {
		t.Errorf("leave: %s, %v", result, a.err)
	}
	b.server.Empty(t, eventually.Patience)
	for _, line := range a.lines {
		if strings.Contains(line, "deprecat") {
			t.Errorf("the agent warns: %s", line)
		}
	}
	t.Logf("ready after %v, registered in %v, left in %v", joined, registered, took)
}

func TestAgentFilesAreOurs(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{})
	a := b.agent("t1")
	for _, name := range []string{"services", "checks"} { // of an earlier life
		if err := os.MkdirAll(filepath.Join(a.doc.DataDir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.doc.DataDir, name, "x"), []byte("not JSON"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.run(supervisor.Policy{}).up()
	for _, path := range []string{a.cfg.File, filepath.Join(a.doc.DataDir, "node-id")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", path, info.Mode(), err)
		}
	}
	cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(a.pid) + "/cmdline")
	if want := a.cfg.Path + "\x00agent\x00-config-file=" + a.cfg.File + "\x00"; err != nil || string(cmdline) != want {
		t.Errorf("argv %q, %v; want %q", cmdline, err, want)
	}
}

// An agent that dies is started again: the same node, its services still there.
func TestAgentRestart(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{})
	a := b.agent("t1").run(supervisor.Policy{Mode: supervisor.Always, Max: 2, Window: time.Minute, Backoff: 10 * time.Millisecond})
	a.up()
	if err := a.client.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(a.doc.DataDir, "node-id"))
	if err != nil {
		t.Fatal(err)
	}
	first := a.pid
	a.signal(syscall.SIGKILL)
	harness.Eventually(t, eventually.Patience, "a second life that is ready", func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if n := strings.Count(strings.Join(a.notes, "\n"), "step joined"); n < 2 || a.pid == first {
			return errNotYet
		}
		return nil
	})
	if after, err := os.ReadFile(filepath.Join(a.doc.DataDir, "node-id")); err != nil || string(after) != string(before) {
		t.Errorf("node ID %q, then %q (%v)", before, after, err)
	}
	checks, err := a.client.Checks(t.Context())
	if err != nil || checks[agentTTL] == "" || checks[agentAlias] == "" {
		t.Errorf("checks after the restart: %v, %v", checks, err)
	}
	if err := a.client.Register(t.Context()); err != nil { // as mesh-init asserts it again
		t.Fatal(err)
	}
	if result, _ := a.client.Deregister(t.Context()); result != registration.Verified {
		t.Errorf("deregistered: %s", result)
	}
	if result, _ := a.leave(); result != "verified" {
		t.Errorf("left: %s", result)
	}
	b.server.Empty(t, eventually.Patience)
}

func TestAgentNeverJoins(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{})
	a := b.agent("t1")
	a.doc.RetryJoin = []string{harness.Address(t)} // nobody listens there
	a.cfg.JoinTimeout = 1500 * time.Millisecond
	gaveUp := make(chan error, 1)
	a.cfg.GiveUp = func(err error) { gaveUp <- err }
	a.run(supervisor.Policy{})
	err := eventually.Get(t, "that it gives up", gaveUp)
	if !strings.Contains(err.Error(), "the agent to join") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("the error does not say why: %v", err)
	}
	result, took := a.leave()
	if result != "skipped" || a.err != nil {
		t.Errorf("stopped in %v: left %s, %v", took, result, a.err)
	}
	if len(a.why) == 0 || !strings.Contains(strings.Join(a.why, "\n"), "connection refused") {
		t.Errorf("it has waited without a reason: %q", a.why)
	}
}

// An agent whose settings are wrong ends by itself, and says why.
func TestAgentRefusesItsSettings(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{})
	a := b.agent("t1")
	a.doc.Extra = map[string]any{"no_such_setting": 1}
	a.run(supervisor.Policy{})
	<-a.done
	if a.err == nil || !strings.Contains(a.err.Error(), "no_such_setting") || !strings.Contains(a.err.Error(), "exited with 1") {
		t.Errorf("the error does not say why: %v", a.err)
	}
}

// What may be wrong with an agent when it is to leave: the end is bounded and truthful.
func TestAgentLeaveFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(a *oneAgent)
		want  string
		empty bool
	}{
		"stopped":        {func(a *oneAgent) { a.signal(syscall.SIGSTOP) }, "verified", true},
		"servers killed": {func(a *oneAgent) { a.bed.server.Kill() }, "unverified", false},
		"servers stopped": {func(a *oneAgent) {
			if err := a.bed.server.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = a.bed.server.Signal(syscall.SIGCONT) })
		}, "unverified", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAgentBed(t, harness.ServerConfig{})
			a := b.agent("t1").run(supervisor.Policy{})
			a.up()
			if err := a.client.Register(t.Context()); err != nil {
				t.Fatal(err)
			}
			if result, err := a.client.Deregister(t.Context()); err != nil {
				t.Fatal(result, err)
			}
			c.fault(a)
			defer b.server.Signal(syscall.SIGCONT)
			result, took := a.leave()
			if result != c.want {
				t.Errorf("%s in %v, want %s", result, took, c.want)
			}
			if c.empty {
				b.server.Empty(t, eventually.Patience)
			}
			t.Logf("%s in %v; %s", result, took, a.notes)
		})
	}
}

func TestAgentExternal(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{})
	var notes []string
	client := consulagent.NewClient(consulagent.ClientConfig{Address: b.server.HTTP})
	defer client.Close()
	x := &consulagent.External{Client: client, Report: func(e event.Event) {
		if step, ok := event.Step(e); ok {
			notes = append(notes, step)
		}
	}}
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { done <- x.Run(context.Background(), func() { close(ready) }, stop) }()
	<-ready
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"joined", "left"}, notes); diff != "" {
		t.Error(diff)
	}
}
