package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshtask/internal/ask"
	"meshtask/internal/testbed/eventually"
)

const serve = "trap 'exit 0' TERM; echo serves; while :; do sleep 0.01; done"

func isReady(st *stage) bool {
	select {
	case <-st.ready:
		return true
	default:
		return false
	}
}

// becomesReady checks that the probe waits, says why, and ends its waiting.
func becomesReady(t *testing.T, st *stage, because string, turn func()) {
	t.Helper()
	eventually.True(t, "it says why it waits", func() bool { return st.waited(because) })
	if isReady(st) {
		t.Error("it is ready too early")
	}
	turn()
	eventually.Get(t, "ready", st.ready)
	eventually.True(t, "it no longer waits", func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		return st.waits[len(st.waits)-1] == "|"
	})
	st.says("serves") // what is probed may be faster than the child's trap
	close(st.stop)
	if err := st.ended(); err != nil {
		t.Error(err)
	}
}

func TestProbes(t *testing.T) {
	s := start(t)
	probe := func(p Probe) func(*Process) { return func(pr *Process) { pr.Ready = p } }
	t.Run("tcp", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		st := onStage(t, s, shell(serve), probe(Asked(ask.TCP(addr), "tcp "+addr, "")))
		becomesReady(t, st, "tcp "+addr+"|", func() {
			eventually.True(t, "a first try", func() bool { return st.waited("refused") || st.waited("met itself") })
			if l, err = net.Listen("tcp", addr); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		})
		if !st.waited("refused") && !st.waited("met itself") {
			t.Errorf("the last error was not told: %q", st.waits)
		}
	})
	t.Run("http", func(t *testing.T) {
		var status atomic.Int32
		status.Store(503)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(int(status.Load()))
			fmt.Fprint(w, "warming up")
		}))
		defer srv.Close()
		for _, good := range []int32{200, 204, 302} {
			status.Store(503)
			st := onStage(t, s, shell(serve), probe(Asked(ask.HTTP(srv.URL), "http", "")))
			becomesReady(t, st, "status 503: warming up", func() { status.Store(good) })
		}
	})
	t.Run("exec", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "ready")
		check := shell("test -e " + file + " || { echo not yet; exit 4; }")
		check.Name = "check"
		st := onStage(t, s, shell(serve), probe(Exec(s, always(check))))
		becomesReady(t, st, "exited with 4: not yet", func() {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("fd", func(t *testing.T) {
		for _, n := range []int{3, 4, 7} {
			r, w := pipe(t)
			spec := shell(fmt.Sprintf("trap 'exit 0' TERM; printf not-yet >&%d; read line; echo yes >&%[1]d; exec %[1]d>&-; %s", n, serve))
			spec.Stdin = r
			st := onStage(t, s, spec, probe(FD(n)))
			becomesReady(t, st, fmt.Sprint("newline on descriptor ", n), func() { w.Close() })
		}
	})
}

func TestNotReadyInTime(t *testing.T) {
	s := start(t)
	nobody := Asked(ask.TCP("127.0.0.1:1"), "tcp 127.0.0.1:1", "")
	hang := shell("sleep 60 & sleep 60")
	for name, tt := range map[string]struct {
		probe  Probe
		script string
		last   string
	}{
		"tcp":            {nobody, serve, "refused"},
		"fd, closed":     {FD(3), "exec 3>&-; " + serve, "closed without a newline"},
		"fd, silent":     {FD(3), serve, ""},
		"exec, hanging":  {Exec(s, always(hang)), serve, ""},
		"exec, missing":  {Exec(s, always(Spec{Name: "check", Argv: []string{"/no/such"}})), serve, "no such file"},
		"http, no reply": {Asked(ask.HTTP("http://127.0.0.1:1/x"), "http", ""), serve, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			gaveUp := make(chan error, 1)
			st := onStage(t, s, shell(tt.script), func(p *Process) {
				p.Ready, p.ReadyTimeout = tt.probe, 200*time.Millisecond
				p.GiveUp = func(err error) { gaveUp <- err }
			})
			err := eventually.Get(t, "it gives up", gaveUp)
			if nr, ok := errors.AsType[*NotReady](err); !ok || !strings.Contains(nr.Error(), tt.last) || !strings.HasPrefix(nr.Error(), "sh is not ready after 200ms (") {
				t.Errorf("got %v", err)
			}
			select {
			case err := <-st.end:
				t.Error("it ended without being stopped: ", err)
			default:
			}
			if isReady(st) {
				t.Error("it is ready")
			}
			st.says("serves")
			close(st.stop)
			if err := st.ended(); err != nil {
				t.Error(err)
			}
		})
	}
	if left := s.adopted(); len(left) != 0 {
		t.Errorf("the probes left %v", left)
	}
}

// TestAProbeEndsWithItsProcess: neither its end nor a stop waits for the probe, and no
// timeout is reported for a process that is no more.
func TestAProbeEndsWithItsProcess(t *testing.T) {
	s := start(t)
	for _, script := range []string{"exit 6", "echo up; sleep 0.1; exit 6"} {
		for _, probe := range []Probe{Asked(ask.TCP("127.0.0.1:1"), "tcp", ""), FD(3), Exec(s, always(shell("sleep 60")))} {
			st := onStage(t, s, shell(script), func(p *Process) {
				p.Ready, p.ReadyTimeout = probe, time.Hour
				p.GiveUp = func(err error) { t.Error("it gave up: ", err) }
			})
			if exit, ok := errors.AsType[*Exit](st.ended()); !ok || exit.Code != 6 || isReady(st) {
				t.Errorf("got %v", exit)
			}
		}
	}
}

func TestFDProbeRefusesTheStandardStreams(t *testing.T) {
	p := Process{Sup: start(t), Spec: func() (Spec, error) { return shell("exit 0"), nil }, Ready: FD(2)}
	if err := p.Run(t.Context(), func() {}, nil); err == nil || !strings.Contains(err.Error(), "3 or more") {
		t.Errorf("got %v", err)
	}
}

func always(spec Spec) func() Spec { return func() Spec { return spec } }

// What the environment of a probe holds may be known only when the probe runs.
func TestExecAsksForItsSpecAtEachTry(t *testing.T) {
	s := start(t)
	ready := false
	p := Exec(s, func() Spec {
		spec := shell(`test "$SECRET" = known`)
		if ready {
			spec.Env = append(spec.Env, "SECRET=known")
		}
		return spec
	})
	tried := 0
	wait, done, err := p.prepare(&Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := wait(t.Context(), func(error) { tried++; ready = true }); err != nil || tried == 0 {
		t.Errorf("%v after %d tries", err, tried)
	}
}
