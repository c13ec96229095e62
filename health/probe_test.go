package health

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// TestVerdict plays results of probes: . is a success, x a failure, X one in the start period.
func TestVerdict(t *testing.T) {
	for _, tc := range []struct {
		results string
		retries int
		want    string // after each: H healthy, U unhealthy, - unknown
	}{
		{".", 3, "H"},
		{"xxx", 3, "--U"},
		{"xx.xx.", 3, "--HHHH"},
		{"xxxx.", 3, "--UUH"},
		{".xxx.", 3, "HHHUH"},
		{"x.", 1, "UH"},
		{"XXXXXXXX", 3, "--------"},
		{"XXxxx", 3, "----U"},
		{"X.XXX", 3, "-HHHU"}, // a success ends the start period
		{"xxX", 3, "---"},
	} {
		var v verdict
		var got strings.Builder
		for _, r := range tc.results {
			v = v.next(r == '.', r == 'X', tc.retries)
			switch v.health {
			case "HEALTHY":
				got.WriteString("H")
			case "UNHEALTHY":
				got.WriteString("U")
			default:
				got.WriteString("-")
			}
		}
		if got.String() != tc.want {
			t.Errorf("%s with %d retries: %s, want %s", tc.results, tc.retries, got.String(), tc.want)
		}
	}
}

func TestProbeCommand(t *testing.T) {
	for _, tc := range []struct {
		command []string
		want    string
	}{
		{nil, "must be CMD or CMD-SHELL"},
		{[]string{"CMD"}, "must be CMD or CMD-SHELL"},
		{[]string{"CMD-SHELL", "a", "b"}, "one string"},
		{[]string{"curl", "x"}, `got "curl"`},
		{[]string{"NONE", ""}, `got "NONE"`},
	} {
		if _, err := NewProbe(ProbeConfig{Command: tc.command}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.command, err, tc.want)
		}
	}
}

// probing runs a Probe with real children until the test ends; states come in order.
func probing(t *testing.T, cfg ProbeConfig) (states <-chan State, end func()) {
	t.Helper()
	chld := make(chan os.Signal, 16)
	signal.Notify(chld, syscall.SIGCHLD)
	sup, err := supervisor.New(chld, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Start, cfg.Env, cfg.Path, cfg.Container = sup, func() []string { return []string{"PATH=" + os.Getenv("PATH")} }, os.Getenv("PATH"), "app"
	p, err := NewProbe(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	out := make(chan State, 16)
	group.Go(func() { p.Run(ctx, func(_ string, s State) { out <- s }) })
	end = sync.OnceFunc(func() {
		cancel()
		group.Wait()
		sup.Close()
		signal.Stop(chld)
	})
	t.Cleanup(end)
	return out, end
}

func receive(t *testing.T, states <-chan State, status Status, words ...string) State {
	t.Helper()
	s := eventually.Get(t, "a result", states)
	if s.Status != status {
		t.Errorf("%v, want %s", s, status)
	}
	for _, w := range words {
		if !strings.Contains(s.Output, w) {
			t.Errorf("output %q lacks %q", s.Output, w)
		}
	}
	return s
}

func TestProbeFirstAtOnce(t *testing.T) {
	states, _ := probing(t, ProbeConfig{Command: []string{"CMD", "sh", "-c", "echo $0 fine", "all is"}, Interval: time.Hour})
	receive(t, states, Passing, "HEALTHY", "exit code 0", "all is fine")
}

// A question needs no program: what it says is what Consul shows.
func TestProbeAsks(t *testing.T) {
	answer := make(chan error)
	ask := func(ctx context.Context) error {
		select {
		case err := <-answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	synctest.Test(t, func(t *testing.T) {
		answer = make(chan error)
		p, err := NewProbe(ProbeConfig{Container: "app", Ask: ask, Asks: "http http://127.0.0.1:8080/health", Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		states := make(chan State, 1)
		go p.Run(ctx, func(_ string, s State) { states <- s })
		answer <- nil
		receive(t, states, Passing, "HEALTHY, http http://127.0.0.1:8080/health")
		answer <- errors.New("status 503: warming up")
		receive(t, states, Critical, "UNHEALTHY, http http://127.0.0.1:8080/health: status 503: warming up")
		answer <- nil
		receive(t, states, Passing)
		receive(t, states, Critical, "exceeded its timeout of 5s") // nobody answers
	})
}

func TestProbeUnhealthyAndBack(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "up")
	line := "date +%N; echo out; echo err >&2; test -e " + flag + " || exit 7"
	states, _ := probing(t, ProbeConfig{Command: []string{"CMD-SHELL", line}, Interval: 5 * time.Millisecond, Retries: 2})
	receive(t, states, Critical, "UNKNOWN, not healthy yet", "exit code 7", "out", "err")
	receive(t, states, Critical, "UNHEALTHY", "exit code 7")
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	receive(t, states, Passing, "HEALTHY")
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	receive(t, states, Critical, "UNHEALTHY") // and none between: changed output is no change
}

func TestProbeOutputIsBounded(t *testing.T) {
	states, _ := probing(t, ProbeConfig{Command: []string{"CMD-SHELL", "yes ä€ | head -c 100000"}, Interval: time.Hour})
	if s := receive(t, states, Passing); len(s.Output) > outputLimit+100 || len(s.Output) < outputLimit {
		t.Errorf("%d bytes of output", len(s.Output))
	}
}

func TestProbeNotFound(t *testing.T) {
	states, _ := probing(t, ProbeConfig{Command: []string{"CMD", "no-such-program"}, Interval: time.Millisecond, Retries: 2})
	receive(t, states, Critical, "no-such-program")
	receive(t, states, Critical, "UNHEALTHY", "no-such-program")
}

// What is relative is meant in the directory in which the command runs.
func TestProbeRunsWhereTheAppDoes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Mkdir("work", 0o755), os.WriteFile("work/check", []byte("#!/bin/sh\necho from $(basename $PWD)\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	states, _ := probing(t, ProbeConfig{Command: []string{"CMD", "./check"}, Dir: "work", Interval: time.Hour})
	receive(t, states, Passing, "HEALTHY", "from work")
}

// TestProbeHangs: a probe that hangs is killed with its group, at its timeout and at the end.
func TestProbeHangs(t *testing.T) {
	dir := t.TempDir()
	line := "sleep 1000 & echo $! > " + dir + "/pid.tmp; mv " + dir + "/pid.tmp " + dir + "/$$; wait"
	pids := func() []string {
		files, err := filepath.Glob(dir + "/[0-9]*")
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	states, end := probing(t, ProbeConfig{Command: []string{"CMD-SHELL", line}, Interval: time.Millisecond, Timeout: 300 * time.Millisecond, Retries: 2})
	receive(t, states, Critical, "exceeded its timeout of 300ms")
	receive(t, states, Critical, "UNHEALTHY")
	seen := len(pids())
	eventually.True(t, "a third one runs", func() bool { return len(pids()) > seen })
	end()
	for _, file := range pids() {
		child, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range []string{filepath.Base(file), strings.TrimSpace(string(child))} {
			if state, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(state), ") Z") {
				t.Errorf("process %s of a hung probe lives: %s", pid, state)
			}
		}
	}
}

type noStarter struct{ t *testing.T }

func (n noStarter) Start(supervisor.Spec) (*supervisor.Child, error) {
	n.t.Error("a probe was started after the end")
	return nil, os.ErrInvalid
}

func TestProbeAfterTheEnd(t *testing.T) {
	p, err := NewProbe(ProbeConfig{Command: []string{"CMD-SHELL", "true"}, Start: noStarter{t}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Run(ctx, func(string, State) { t.Error("a result after the end") })
}

// stuckProbe is a Probe whose supervisor is never told of SIGCHLD, which shows its
// callers a child that KILL does not end.
func stuckProbe(t *testing.T, timeout time.Duration, log hclog.Logger) *Probe {
	sup, err := supervisor.New(make(chan os.Signal, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sup.Close)
	p, err := NewProbe(ProbeConfig{Container: "app", Command: []string{"CMD-SHELL", "exec sleep 1000"}, Timeout: timeout,
		Interval: 10 * time.Millisecond, Retries: 2, Start: sup, Env: func() []string { return []string{"PATH=" + os.Getenv("PATH")} }, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A health check that KILL does not end is named, counts as failed, has no second one
// beside it, and holds nobody up.
func TestProbeThatKillDoesNotEnd(t *testing.T) {
	var log strings.Builder
	p := stuckProbe(t, 50*time.Millisecond, hclog.New(&hclog.LoggerOptions{Output: &log}))
	ctx, cancel := context.WithCancel(t.Context())
	states, ended := make(chan State, 16), make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx, func(_ string, s State) { states <- s })
	}()
	receive(t, states, Critical, "exceeded its timeout", "health check is still there after KILL")
	receive(t, states, Critical, "UNHEALTHY", "an earlier health check, pid", "still there after KILL")
	cancel()
	eventually.Get(t, "the probe's end", ended)
	if !strings.Contains(log.String(), "a health check does not end") {
		t.Errorf("log: %s", log.String())
	}
}

// Neither does it hold health-sync at a stop, which inbound and app wait for.
func TestStuckProbeDoesNotHoldTheStop(t *testing.T) {
	agent := newFakeAgent(testCheck)
	s := New(Config{Agent: agent, Service: "web-1", Checks: []Check{{ID: testCheck, Container: "app", Origin: FromProbe}}, Probe: stuckProbe(t, time.Hour, nil)})
	ready, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(t.Context(), func() { close(ready) }, stop) }()
	s.EnvoyUp()
	s.AppUp()
	<-ready
	close(stop)
	if err := eventually.Get(t, "health-sync's end", ended); err != nil {
		t.Error(err)
	}
}
