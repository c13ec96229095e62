package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"meshtask/internal/event"
	"meshtask/internal/testbed/eventually"
)

// stage runs a Process and records what it says.
type stage struct {
	Process
	t     *testing.T
	stop  chan struct{}
	ready chan struct{}
	end   chan error
	lines chan string // of the child
	kill  context.CancelFunc

	started  chan struct{} // closed by the exec event, after childPID
	childPID int

	mu    sync.Mutex
	notes []string
	waits []string
	exits []Exit
}

func onStage(t *testing.T, s *Supervisor, spec Spec, set func(*Process)) *stage {
	t.Helper()
	st := &stage{
		t: t, stop: make(chan struct{}), ready: make(chan struct{}), end: make(chan error, 1),
		lines: make(chan string, 1000), started: make(chan struct{}),
	}
	spec.Lines = func(_ int, line []byte) { st.lines <- string(line) }
	st.Process = Process{
		Sup:  s,
		Spec: func() (Spec, error) { return spec, nil },
		Report: func(e event.Event) {
			if e, ok := e.(event.Exec); ok {
				st.childPID = e.PID
				close(st.started)
			}
			st.mu.Lock()
			defer st.mu.Unlock()
			switch e := e.(type) {
			case event.Waiting:
				st.waits = append(st.waits, e.What+"|"+e.Err)
			case event.WaitOver:
				st.waits = append(st.waits, "|")
			default:
				st.notes = append(st.notes, say(e))
			}
		},
		OnExit: func(e Exit) { st.exits = append(st.exits, e) },
	}
	if set != nil {
		set(&st.Process)
	}
	ctx, cancel := context.WithCancel(t.Context())
	st.kill = cancel
	go func() { st.end <- st.Run(ctx, func() { close(st.ready) }, st.stop) }()
	t.Cleanup(cancel)
	return st
}

// say is an event in words, without the marks of its JSON.
func say(e event.Event) string {
	name, detail, data := event.Words(e)
	return strings.TrimSpace(name + " " + detail + " " + strings.NewReplacer("{", "", "}", "", `"`, "", ":", " ", ",", " ").Replace(string(data)))
}

// says waits for a line of the child.
func (st *stage) says(want string) {
	st.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-st.lines:
			if line == want {
				return
			}
		case <-timeout:
			st.t.Fatalf("the child has not said %q", want)
		}
	}
}

func (st *stage) ended() error {
	st.t.Helper()
	return eventually.Get(st.t, "Run's return", st.end)
}

// pid waits until Run knows its child, which may have said its first line by then.
func (st *stage) pid() int {
	st.t.Helper()
	eventually.Get(st.t, "a child", st.started)
	return st.childPID
}

func (st *stage) noted(prefix string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.ContainsFunc(st.notes, func(n string) bool { return strings.HasPrefix(n, prefix) })
}

func (st *stage) waited(part string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.ContainsFunc(st.waits, func(w string) bool { return strings.Contains(w, part) })
}

func grace(d time.Duration) func(*Process) {
	return func(p *Process) { p.Grace = func() time.Duration { return d } }
}

func TestProcessEnds(t *testing.T) {
	s := start(t)
	for _, tt := range []struct {
		name, script string // says "up" when it may be stopped
		set          func(*Process)
		stop         bool
		status       int
		isNil        bool
		killed       bool
	}{
		{"by itself, well", "exit 0", nil, false, 0, false, false},
		{"by itself, badly", "exit 7", nil, false, 7, false, false},
		{"by itself, of a signal", "kill -SEGV $$", nil, false, 139, false, false},
		{"stopped, well", "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done", nil, true, 0, true, false},
		{"stopped, with a code", "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done", nil, true, 9, false, false},
		{"stopped, of the signal", "echo up; exec sleep 60", nil, true, 143, false, false},
		{"stopped while it is suspended", "echo up; kill -STOP $$; exit 5", nil, true, 143, false, false},
		{"by a signal of its own", "trap 'exit 4' INT; echo up; while :; do sleep 0.01; done", func(p *Process) {
			p.Signal = func() syscall.Signal { return syscall.SIGINT }
		}, true, 4, false, false},
		{"deaf", "trap '' TERM; echo up; while :; do sleep 0.01; done", grace(30 * time.Millisecond), true, 137, false, true},
		{"without a budget", "trap '' TERM; echo up; while :; do sleep 0.01; done", grace(0), true, 137, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := onStage(t, s, shell(tt.script), tt.set)
			<-st.ready // it has no probe
			if tt.stop {
				st.says("up")
				if strings.Contains(tt.script, "STOP") {
					eventually.True(t, "it is suspended", func() bool { p, _ := process(st.pid()); return p.state == 'T' })
				}
				close(st.stop)
			}
			err := st.ended()
			exit, ok := errors.AsType[*Exit](err)
			if tt.isNil != (err == nil) || !tt.isNil && (!ok || exit.Status() != tt.status) {
				t.Errorf("got %v, want status %d", err, tt.status)
			}
			if len(st.exits) != 1 || st.exits[0].Status() != tt.status || st.exits[0].MaxRSS < 1<<10 {
				t.Errorf("exits: %+v", st.exits)
			}
			if st.noted("killed sh pid") != tt.killed {
				t.Errorf("notes: %q", st.notes)
			}
			if !st.noted("step exec name sh pid") || !st.noted("step exit name sh pid") {
				t.Errorf("notes: %q", st.notes)
			}
		})
	}
}

func TestProcessIsNotStartedWhileStopping(t *testing.T) {
	st := &stage{stop: make(chan struct{})}
	close(st.stop)
	p := Process{Spec: func() (Spec, error) { t.Error("it was started"); return Spec{}, nil }}
	if err := p.Run(t.Context(), func() { t.Error("it is ready") }, st.stop); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx, func() { t.Error("it is ready") }, nil); err != nil {
		t.Error(err)
	}
}

func TestProcessCannotStart(t *testing.T) {
	s := start(t)
	before := openFiles(t)
	st := onStage(t, s, Spec{Name: "app", Argv: []string{"/no/such/command"}}, func(p *Process) { p.Ready = FD(3) })
	if se, ok := errors.AsType[*StartError](st.ended()); !ok || se.Code().Exit() != 127 {
		t.Errorf("got %v", se)
	}
	if after := openFiles(t); after > before { // an earlier test's may be closed only now
		t.Errorf("%d descriptors were open, now %d", before, after)
	}
	boom := errors.New("no spec")
	p := Process{Sup: s, Spec: func() (Spec, error) { return Spec{}, boom }}
	if err := p.Run(t.Context(), func() {}, nil); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

// TestProcessEndsNow: a done context needs no grace.
func TestProcessEndsNow(t *testing.T) {
	s := start(t)
	const deaf = "trap '' TERM; (trap '' TERM; while :; do sleep 0.01; done) & echo up; while :; do sleep 0.01; done"
	for name, stopFirst := range map[string]bool{"while it runs": false, "while it stops": true} {
		t.Run(name, func(t *testing.T) {
			var once sync.Once
			asked := make(chan struct{})
			st := onStage(t, s, shell(deaf), func(p *Process) {
				p.Grace = func() time.Duration { once.Do(func() { close(asked) }); return time.Hour }
			})
			st.says("up")
			if stopFirst {
				close(st.stop)
				<-asked
			}
			pid := st.pid()
			st.kill()
			err := st.ended()
			exit, ok := errors.AsType[*Exit](err)
			_, late := errors.AsType[*StuckError](err) // on a busy machine
			if !late && (!ok || exit.Signal != syscall.SIGKILL) {
				t.Errorf("got %v", err)
			}
			eventually.True(t, "nobody is left", func() bool { return len(living(pid)) == 0 })
			if !st.noted("killed sh pid") {
				t.Errorf("notes: %q", st.notes)
			}
		})
	}
}

// Where the stop and the end of its time are seen together, the child has had its signal: the
// record says so each time, and not only when the machine is quiet.
func TestAStopThatIsSeenLate(t *testing.T) {
	s := start(t)
	for range 8 {
		c := run(t, s, shell("while :; do sleep 0.01; done"))
		var when []string
		p := Process{Sup: s, Report: func(e event.Event) {
			if k, ok := e.(event.Killed); ok {
				when = append(when, k.When)
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		stop := make(chan struct{})
		close(stop)
		if _, asked, err := p.await(ctx, c, stop); err != nil || !asked {
			t.Fatalf("asked %v, %v", asked, err)
		}
		if len(when) > 0 && !strings.HasSuffix(when[0], "after SIGTERM") { // it may have ended by that
			t.Errorf("killed %q, want after SIGTERM", when)
		}
	}
}

func TestForward(t *testing.T) {
	s := start(t)
	const signals = "HUP USR1 USR2 ALRM VTALRM PWR IO INT QUIT"
	script := "for s in " + signals + "; do trap \"echo $s\" $s; done; trap 'echo RT' 40; trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"
	st := onStage(t, s, shell(script), nil)
	st.says("up")
	for name := range strings.FieldsSeq(signals + " RT") {
		sig := map[string]syscall.Signal{
			"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ALRM": syscall.SIGALRM, "VTALRM": syscall.SIGVTALRM,
			"PWR": syscall.SIGPWR, "IO": syscall.SIGIO, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "RT": 40,
		}[name]
		st.Forward(sig)
		st.says(name)
	}
	st.Forward(syscall.SIGTERM)
	if exit, ok := errors.AsType[*Exit](st.ended()); !ok || exit.Code != 0 {
		t.Errorf("got %v", exit)
	}
}

// TestASignalDuringTheStart is late, but not lost, and holds up nobody: who relays signals
// has others to relay.
func TestASignalDuringTheStart(t *testing.T) {
	s := start(t)
	s.mu.Lock() // holds up the fork
	asked := make(chan struct{})
	st := onStage(t, s, shell("exec sleep 60"), func(p *Process) {
		spec := p.Spec
		p.Spec = func() (Spec, error) { defer close(asked); return spec() }
	})
	<-asked
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		st.Forward(syscall.SIGUSR1)
		st.Forward(syscall.SIGUSR1)
	}()
	select {
	case <-forwarded:
	case <-time.After(patience):
		t.Error("the relay waits for the start")
	}
	s.mu.Unlock()
	<-forwarded
	if exit, ok := errors.AsType[*Exit](st.ended()); !ok || exit.Signal != syscall.SIGUSR1 {
		t.Errorf("got %v", exit)
	}
}

// TestASignalBetweenTwoLives is held for the next one, once.
func TestASignalBetweenTwoLives(t *testing.T) {
	s := start(t)
	p := Process{Sup: s, Spec: func() (Spec, error) { return shell("exec sleep 60"), nil }}
	for range 3 {
		p.Forward(syscall.SIGUSR1)
	}
	for _, want := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2} {
		err := p.Run(t.Context(), func() { p.Forward(syscall.SIGUSR2) }, nil)
		if exit, ok := errors.AsType[*Exit](err); !ok || exit.Signal != want {
			t.Errorf("got %v, want an end by signal %d", err, want)
		}
	}
}

// A process that has taken KILL may need longer to end than the wait for one that has not: the
// kernel gives its memory back first.
func TestADyingProcessIsNotStuck(t *testing.T) {
	s := start(t)
	const size = 256 << 20
	c := run(t, s, shell(fmt.Sprintf("exec dd if=/dev/zero of=/dev/null bs=%d 2>/dev/null", size)))
	eventually.True(t, "it has its memory", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", c.pid))
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			return false
		}
		pages, _ := strconv.Atoi(fields[1])
		return pages*os.Getpagesize() >= size
	})
	_ = c.SignalGroup(syscall.SIGKILL)
	eventually.True(t, "it has taken KILL", func() bool {
		p, there := process(c.pid)
		return !there || p.dying || p.ended()
	})
	if err := c.kill(t.Context(), 0, patience); err != nil {
		t.Errorf("got %v", err)
	}
}

// The kernel shows a process as a zombie whose first thread has ended, whatever the others do: it
// is to be ended still, and is not taken for one that ends.
func TestAProcessWithoutItsFirstThreadLives(t *testing.T) {
	s := start(t)
	c := run(t, s, player("headless"))
	eventually.True(t, "its first thread has ended", func() bool { p, there := process(c.pid); return there && p.state == 'Z' })
	p, _ := process(c.pid)
	if p.ended() || p.dying || len(living(c.pid)) != 1 {
		t.Errorf("%+v is taken for ended", p)
	}
	if err := c.Kill(t.Context(), nil, patience); err != nil {
		t.Errorf("got %v", err)
	}
}

// playHeadless ends its first thread alone; those of the runtime go on.
func playHeadless() {
	for {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
		}
		runtime.UnlockOSThread()
		<-time.After(time.Millisecond)
	}
}

// TestAStuckProcessIsNamed plays uninterruptible sleep, which cannot be made at will: the
// child is this very process, and the KILL is kept from it.
func TestAStuckProcessIsNamed(t *testing.T) {
	c := &Child{name: "app", pid: os.Getpid(), done: make(chan struct{}), cleared: true}
	err := c.kill(t.Context(), 10*time.Millisecond, 0)
	self, _ := process(os.Getpid())
	if stuck, ok := errors.AsType[*StuckError](err); !ok || !strings.Contains(stuck.Error(), self.name) ||
		!strings.Contains(stuck.Error(), fmt.Sprint("pid ", os.Getpid(), ", state ")) {
		t.Errorf("got %v", err)
	}
}
