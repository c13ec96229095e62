package envoy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"meshtask/internal/event"
	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// life is one Run of a Proxy whose Envoy is the fake.
type life struct {
	proxy       *Proxy
	ready, stop chan struct{}
	done        chan struct{}
	err         error
	cancel      context.CancelFunc

	mu    sync.Mutex
	pid   int
	notes []string
	lines []string
	waits []string
	codes []event.Code // of waits
}

const plain = "listen=127.0.0.1:1" // an Envoy as it should be

func newLife(t *testing.T, play string, change func(*Config)) *life {
	t.Helper()
	dir := shortDir(t)
	socket, file := filepath.Join(dir, "a.sock"), filepath.Join(dir, "bootstrap.json")
	doc := fmt.Sprintf(`{"admin":{"address":{"pipe":{"path":%q}}}}`, socket)
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &life{}
	c := Config{
		Path: os.Args[0], Bootstrap: file, Admin: socket, Listen: "127.0.0.1:1",
		Env: []string{"FAKE=" + play, "GORACE=atexit_sleep_ms=0"}, Start: newSupervisor(t),
		ReadyTimeout: patience,
		Report: func(e event.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			switch e := e.(type) {
			case event.Waiting:
				l.waits = append(l.waits, e.What+": "+e.Err)
				l.codes = append(l.codes, e.Code)
			case event.WaitOver:
				l.waits = append(l.waits, ": ")
			default:
				if exec, ok := e.(event.Exec); ok {
					l.pid = exec.PID
				}
				name, detail, _ := event.Words(e)
				l.notes = append(l.notes, name+" "+detail)
			}
		},
		Output: func(stream int, level hclog.Level, line string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.lines = append(l.lines, fmt.Sprintf("%d %s %s", stream, level, line))
		},
	}
	if change != nil {
		change(&c)
	}
	l.proxy = NewProxy(c)
	return l
}

func (l *life) run(t *testing.T) {
	l.ready, l.stop, l.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	l.cancel = cancel
	go func() {
		defer close(l.done)
		l.err = l.proxy.Run(ctx, func() { close(l.ready) }, l.stop)
	}()
	t.Cleanup(func() { cancel(); <-l.done })
}

func (l *life) has(note string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.notes {
		if strings.HasPrefix(n, note) {
			return true
		}
	}
	return false
}

func TestProxyStopsByQuit(t *testing.T) {
	l := newLife(t, plain, nil)
	for range 2 { // a unit can be restarted
		l.run(t)
		eventually.Get(t, "ready", l.ready)
		close(l.stop)
		eventually.Get(t, "end", l.done)
		if l.err != nil {
			t.Fatal(l.err)
		}
	}
	if l.has("killed") || !l.has("step listener") || !l.has("step exit") {
		t.Errorf("notes: %v", l.notes)
	}
	// One line of each life: had TERM been needed, there would be another.
	if len(l.lines) != 2 || !strings.HasPrefix(l.lines[0], "2 warn main: There is no configured limit") {
		t.Errorf("lines: %v", l.lines)
	}
}

func TestProxyStopEscalates(t *testing.T) {
	for play, killed := range map[string]bool{"noquit": false, "noquit noterm": true} {
		t.Run(play, func(t *testing.T) {
			grace := graceDefault // so that a slow machine's answer to TERM is in time
			if killed {
				grace = 600 * time.Millisecond
			}
			l := newLife(t, play, func(c *Config) { c.Grace = func() time.Duration { return grace } })
			l.run(t)
			eventually.Get(t, "ready", l.ready)
			began := time.Now()
			close(l.stop)
			eventually.Get(t, "end", l.done)
			took := time.Since(began)
			if l.err != nil || l.has("killed") != killed {
				t.Errorf("err %v, notes %v", l.err, l.notes)
			}
			// Quit has two thirds of the grace, TERM the rest.
			if minimum := grace * 2 / 3; took < minimum || killed && took < grace {
				t.Errorf("ended after %v: was it asked politely?", took)
			}
		})
	}
}

func TestProxyStoppedProcessIsKilled(t *testing.T) {
	const grace = 500 * time.Millisecond
	l := newLife(t, plain, func(c *Config) { c.Grace = func() time.Duration { return grace } })
	l.run(t)
	eventually.Get(t, "ready", l.ready)
	freeze(t, l.pid)
	close(l.stop)
	eventually.Get(t, "end", l.done)
	if l.err != nil || !l.has("killed") {
		t.Errorf("ended with %v, notes %v", l.err, l.notes)
	}
}

// An Envoy that KILL does not end is named. A process that is traced, by one who never looks
// at it, plays it: to us it is as one in uninterruptible sleep.
func TestProxyNamesWhatKillDoesNotEnd(t *testing.T) {
	l := newLife(t, "noquit noterm", nil)
	l.run(t)
	eventually.Get(t, "ready", l.ready)
	release := hold(t, l.pid)
	l.cancel()
	eventually.Get(t, "end", l.done)
	release()
	stuck, ok := errors.AsType[*supervisor.StuckError](l.err)
	if !ok || stuck.Name != "envoy" || !strings.Contains(stuck.Error(), fmt.Sprintf("(pid %d, state ", l.pid)) {
		t.Errorf("got %v", l.err)
	}
}

// Why an Envoy was killed comes before that KILL did not end it.
func TestProxyTellsWhyItKilledWhatIsStuck(t *testing.T) {
	var held holding
	l := newLife(t, "never", func(c *Config) {
		held = holding{t: t, Starter: c.Start}
		c.Start, c.ReadyTimeout = &held, 10*time.Millisecond
	})
	l.run(t)
	eventually.Get(t, "end", l.done)
	held.release()
	if _, stuck := errors.AsType[*supervisor.StuckError](l.err); !stuck || !strings.HasPrefix(l.err.Error(), "envoy is not ready after 10ms: ") {
		t.Errorf("got %v", l.err)
	}
}

// holding holds what it starts.
type holding struct {
	t *testing.T
	Starter
	release func()
}

func (h *holding) Start(spec supervisor.Spec) (*supervisor.Child, error) {
	c, err := h.Starter.Start(spec)
	if err == nil {
		h.release = hold(h.t, c.PID())
	}
	return c, err
}

// hold keeps a process as a zombie from its end on, until release.
func hold(t *testing.T, pid int) (release func()) {
	t.Helper()
	holder := exec.Command("/proc/self/exe")
	holder.Env = []string{"FAKE=holder", "PID=" + strconv.Itoa(pid)}
	in, _ := holder.StdinPipe()
	out, _ := holder.StdoutPipe()
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if n, _ := out.Read(make([]byte, 8)); n == 0 {
		t.Fatal("it is not traced")
	}
	return func() { in.Close(); _ = holder.Wait() }
}

// playHolder traces a process until its standard input ends.
func playHolder() int {
	runtime.LockOSThread()
	pid, _ := strconv.Atoi(os.Getenv("PID"))
	if _, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0); errno != 0 {
		fmt.Fprintln(os.Stderr, "seize:", errno)
		return 1
	}
	fmt.Println("holds")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 0
}

func TestProxyContextKillsAtOnce(t *testing.T) {
	l := newLife(t, "noquit noterm", nil)
	l.run(t)
	eventually.Get(t, "ready", l.ready)
	l.cancel()
	eventually.Get(t, "end", l.done)
	if l.err != nil || l.has("killed") { // that is said when a quit and a TERM were in vain
		t.Errorf("ended with %v, notes %v", l.err, l.notes)
	}
}

func TestProxyEndsUnasked(t *testing.T) {
	for play, want := range map[string]string{
		"until=/":                      "envoy ended without being asked to: envoy (pid %d) exited with 0", // its warning is one that every life has
		"dies=s3cret,x-consul-token:x": "envoy ended without being asked to: envoy (pid %d) exited with 1; its last lines: [critical] main: error `[redacted],[redacted] | [redacted],[redacted]",
	} {
		t.Run(play, func(t *testing.T) {
			l := newLife(t, play, func(c *Config) { c.Token = func() string { return "s3cret" } })
			l.run(t)
			eventually.Get(t, "end", l.done)
			if l.err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(fmt.Sprint(l.lines), "s3cret") {
				t.Errorf("the token was passed on: %q", l.lines)
			}
			var pid int
			head := strings.Index(l.err.Error(), "(pid ")
			if head >= 0 {
				fmt.Sscanf(l.err.Error()[head:], "(pid %d)", &pid)
			}
			if got := l.err.Error(); got != fmt.Sprintf(want, pid) {
				t.Errorf("got  %s\nwant %s", got, fmt.Sprintf(want, pid))
			}
		})
	}
}

func TestProxyNotReady(t *testing.T) {
	l := newLife(t, "never", func(c *Config) { c.ReadyTimeout = 1300 * time.Millisecond })
	l.run(t)
	eventually.Get(t, "end", l.done)
	if l.err == nil || !strings.Contains(l.err.Error(), "envoy is not ready after 1.3s: it has not yet connected to the agent's gRPC port") {
		t.Errorf("err: %v", l.err)
	}
	if len(l.waits) != 2 || !strings.HasPrefix(l.waits[0], "envoy to listen on 127.0.0.1:1: it has not yet connected") || l.waits[1] != ": " {
		t.Errorf("waits: %q", l.waits)
	}
}

// Whoever holds another stream at Consul hears once that Envoy gets none, and never otherwise:
// not of an Envoy that waits, and not of one that is ready.
func TestProxyTellsThatXDSEnded(t *testing.T) {
	for play, want := range map[string]int{"ended": 1, "never": 0, plain: 0} {
		t.Run(play, func(t *testing.T) {
			heard := make(chan struct{}, 8)
			l := newLife(t, play, func(c *Config) {
				c.XDSEnded = func() { heard <- struct{}{} }
				if play != plain {
					c.ReadyTimeout = 2 * time.Second // in which Envoy is looked at some hundred times
				}
			})
			l.run(t)
			if play == plain {
				eventually.Get(t, "ready", l.ready)
				close(l.stop)
			}
			eventually.Get(t, "end", l.done)
			if len(heard) != want {
				t.Errorf("heard %d times", len(heard))
			}
		})
	}
}

func TestProxyStopBeforeReady(t *testing.T) {
	l := newLife(t, "never", nil)
	l.run(t)
	close(l.stop)
	eventually.Get(t, "end", l.done)
	if l.err != nil || l.has("step listener") {
		t.Errorf("err %v, notes %v", l.err, l.notes)
	}
}

func TestProxyVersions(t *testing.T) {
	const consul = "1.22.6"
	for name, c := range map[string]struct {
		play   string
		strict bool
		server Server
		want   string // how the error begins; "" is that it is ready
		warned bool
	}{
		"served, whatever it is":         {"version=1.99.0", false, Server{Version: consul}, "", false},
		"served, though old":             {"version=1.20.2", false, Server{Version: consul}, "", false},
		"refused":                        {"version=1.20.2 refused", false, Server{Version: consul}, "Consul 1.22.6 refuses Envoy 1.20.2: ", false},
		"refused by an unknown":          {"version=1.20.2 refused", false, Server{}, "Consul refuses Envoy 1.20.2: ", false},
		"strict, listed by itself":       {"version=1.40.0", true, Server{Version: consul, Envoys: []string{"1.40.0"}}, "", false},
		"strict, not listed by itself":   {"version=1.35.8", true, Server{Version: consul, Envoys: []string{"1.40.0"}}, "Consul 1.22.6 does not list Envoy 1.35.8 (it lists 1.40.0)", false},
		"strict, listed in the table":    {"version=1.35.8", true, Server{Version: consul}, "", false},
		"strict, not in the table":       {"version=1.36.2", true, Server{Version: consul}, "Consul 1.22.6 does not list Envoy 1.36.2 (it lists Envoy 1.33 to 1.35)", false},
		"strict, and nothing is known":   {"version=1.36.2", true, Server{}, "", true},
		"strict, and no version of ours": {"version=main", true, Server{Version: consul}, "", true},
		"strict, and no version at all":  {"version=", true, Server{Version: consul}, "", true},
		"strict, an unknown newer one":   {"version=1.99.0", true, Server{Version: consul}, "Consul 1.22.6 does not list Envoy 1.99.0 (it lists Envoy 1.33 to 1.35)", false},
		"strict, by an unknown newer":    {"version=1.36.2", true, Server{Version: "9.9.9"}, "", true},
		"refused by an unknown newer":    {"version=1.20.2 refused", false, Server{Version: "9.9.9"}, "Consul 9.9.9 refuses Envoy 1.20.2: ", false},
		"served without a version":       {"version=", false, Server{Version: consul}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var log syncedBuffer
			l := newLife(t, c.play, func(k *Config) {
				k.StrictVersion = c.strict
				k.Server = func(context.Context) Server { return c.server }
				k.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug})
			})
			l.run(t)
			defer func() {
				if got := strings.Count(log.String(), "[WARN]"); got != 0 && !c.warned || got != 1 && c.warned {
					t.Errorf("%d warnings: %s", got, log.String())
				}
			}()
			if c.want == "" {
				eventually.Get(t, "ready", l.ready)
				return
			}
			eventually.Get(t, "end", l.done)
			v, is := errors.AsType[*VersionError](l.err)
			if !is || !strings.HasPrefix(v.Error(), c.want) {
				t.Fatalf("%v, want %s…", l.err, c.want)
			}
			cause := event.CauseOf(l.err)
			if cause == nil || cause.Code != event.EnvoyVersion || cause.Facts["envoy"] != v.Envoy || cause.Facts["consul"] != c.server.Version || !strings.HasPrefix(cause.Facts["fits"], "use ") {
				t.Errorf("%+v", cause)
			}
		})
	}
}

// syncedBuffer is a log that is written from the unit and read by the test.
type syncedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestProxyPortTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	address := other.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	for _, listen := range []string{address, ":" + port} {
		t.Run(listen, func(t *testing.T) {
			l := newLife(t, plain, func(c *Config) { c.Listen = listen })
			l.run(t)
			eventually.Get(t, "end", l.done)
			want := fmt.Sprintf("public listener: %s is in use already, by pid %d (", listen, os.Getpid())
			if l.err == nil || !strings.HasPrefix(l.err.Error(), want) || l.has("step exec") {
				t.Errorf("got %v, want %s", l.err, want)
			}
		})
	}
	other.Close()
	if err := (Bind{Address: address}).free(); err != nil {
		t.Errorf("after it was closed: %v", err)
	}
}

// Envoy is LIVE without an upstream's listener, and the app would call whoever has the port:
// so every listener's port is looked at, and the one that is taken is named.
func TestProxyUpstreamPortTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := other.Addr().String()
	_, port, _ := net.SplitHostPort(taken)
	free := Bind{What: "upstream a", Address: "127.0.0.1:0"}
	for _, address := range []string{taken, "0.0.0.0:" + port} {
		l := newLife(t, "polite", func(c *Config) {
			c.Others = []Bind{free, {What: "upstream b", Field: "proxy.upstreams[1].localBindPort", Address: address}}
		})
		l.run(t)
		eventually.Get(t, "end", l.done)
		want := fmt.Sprintf("upstream b: %s is in use already, by pid %d (", address, os.Getpid())
		if l.err == nil || !strings.HasPrefix(l.err.Error(), want) || l.has("step exec") {
			t.Errorf("got %v, want %s", l.err, want)
		}
		c := event.CauseOf(l.err)
		if c == nil || c.Code != event.ListenerPortTaken || c.Facts["listener"] != "upstream b" || c.Facts["address"] != address ||
			!strings.HasPrefix(c.Facts["process"], "pid ") || c.Facts["field"] != "proxy.upstreams[1].localBindPort" {
			t.Errorf("%+v", c)
		}
	}
}

func TestProxyStaleSocket(t *testing.T) {
	l := newLife(t, plain, nil)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.proxy.c.Admin})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l.run(t)
	eventually.Get(t, "ready", l.ready)
}
