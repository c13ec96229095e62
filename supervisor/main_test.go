package supervisor

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/eventually"
)

// The test binary plays the children that no shell can: see TestMain.
const playKey = "SUPERVISOR_TEST_PLAY"

func TestMain(m *testing.M) {
	if play := os.Getenv(playKey); play != "" {
		f, ok := plays[play]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such play:", play)
			os.Exit(99)
		}
		f()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// start makes a supervisor for one test.
func start(t *testing.T) *Supervisor {
	t.Helper()
	return startWith(t, suspectGrace)
}

// startWith starts one with another grace for suspects.
func startWith(t *testing.T, grace time.Duration) *Supervisor {
	t.Helper()
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, syscall.SIGCHLD)
	s, err := newSupervisor(chld, hclog.NewNullLogger(), grace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		signal.Stop(chld)
	})
	return s
}

// shell is a child that runs a script.
func shell(script string) Spec {
	return Spec{Name: "sh", Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// player is a child that is this binary.
func player(play string, env ...string) Spec {
	return Spec{
		Name: play, Argv: []string{"/proc/self/exe"},
		Env: append([]string{"PATH=/usr/bin:/bin", playKey + "=" + play, "GORACE=atexit_sleep_ms=0"}, env...),
	}
}

// run starts a child and cleans up behind it.
func run(t *testing.T, s *Supervisor, spec Spec) *Child {
	t.Helper()
	c, err := s.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.SignalGroup(syscall.SIGKILL)
		<-c.Done()
		c.Clear(0)
	})
	return c
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

const patience = eventually.Patience

func ended(t *testing.T, c *Child) Exit {
	t.Helper()
	eventually.Get(t, fmt.Sprintf("the end of %s (pid %d)", c.name, c.pid), c.Done())
	return c.Exit()
}

var plays = map[string]func(){
	"state":      playState,
	"background": playBackground,
	"terminal":   playTerminal,
	"parent":     playParent,
	"secretive":  playSecretive,
	"tracer":     playTracer,
	"holder":     playHolder,
	"suspended":  playSuspended,
	"reader":     playReader,
	"foreground": playForeground,
	"headless":   playHeadless,
}
