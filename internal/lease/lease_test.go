package lease

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/testbed/eventually"
)

type rig struct {
	keeper *Keeper
	server *httptest.Server
	notes  chan string
	stop   chan struct{}
	ended  chan error
}

func newRig(t *testing.T) *rig { return newRigOf(t, nil) }

func newRigOf(t *testing.T, task *Roster) *rig {
	r := &rig{notes: make(chan string, 64), stop: make(chan struct{}), ended: make(chan error, 1)}
	r.keeper = NewKeeper(KeeperConfig{Signal: func() syscall.Signal { return syscall.SIGINT }, Grace: func() time.Duration { return 5 * time.Second },
		Report: steps(r.notes), Task: task})
	r.server = httptest.NewServer(r.keeper)
	t.Cleanup(r.server.Close)
	return r
}

// steps sends the names of steps to notes.
func steps(notes chan<- string) event.Report {
	return func(e event.Event) {
		if name, ok := event.Step(e); ok {
			notes <- name
		}
	}
}

func (r *rig) up(t *testing.T) {
	go func() { r.ended <- r.keeper.Run(t.Context(), func() {}, r.stop) }()
}

type held struct {
	ready chan struct{}
	told  chan syscall.Signal
	stop  chan struct{}
	ended chan error
	gave  chan error
}

func (r *rig) hold(ctx context.Context, name string, code int, wait time.Duration) *held {
	h := &held{make(chan struct{}, 1), make(chan syscall.Signal, 8), make(chan struct{}), make(chan error, 1), make(chan error, 1)}
	holder := &Holder{Addr: strings.TrimPrefix(r.server.URL, "http://"), Name: func(context.Context) string { return name }, Wait: wait, Code: func() int { return code },
		GiveUp: func(err error) { h.gave <- err }, Stop: func(s syscall.Signal, _ time.Duration) { h.told <- s }}
	go func() { h.ended <- holder.Run(ctx, func() { h.ready <- struct{}{} }, h.stop) }()
	return h
}

func TestTheAppStartsAtT2AndStopsWhenItIsTold(t *testing.T) {
	r := newRig(t)
	h := r.hold(t.Context(), "web", 7, 0)
	if got := eventually.Get(t, "lease", r.notes); got != "lease" {
		t.Fatal(got)
	}
	select {
	case <-h.ready:
		t.Fatal("ready before the mesh is up")
	default:
	}
	r.up(t)
	eventually.Get(t, "ready", h.ready)
	close(r.stop)
	if s := eventually.Get(t, "stop", h.told); s != syscall.SIGINT {
		t.Errorf("told to stop with %v", s)
	}
	select {
	case <-r.ended:
		t.Fatal("the mesh did not wait for the lease")
	default:
	}
	close(h.stop)
	if err := eventually.Get(t, "end of the holder", h.ended); err != nil {
		t.Error(err)
	}
	if got := eventually.Get(t, "code", r.notes); got != "lease-ended" {
		t.Errorf("the code did not arrive: %s", got)
	}
	eventually.Get(t, "end of the keeper", r.ended)
}

func TestALostLeaseIsTakenAgainAndEndsNothing(t *testing.T) {
	r := newRig(t)
	here := make(chan bool, 64)
	r.keeper.c.Changed = func() { here <- !r.keeper.Missing() }
	r.up(t)
	h := r.hold(t.Context(), "web", 0, 0)
	eventually.Get(t, "ready", h.ready)
	eventually.Get(t, "lease", r.notes)
	r.keeper.mu.Lock()
	_ = r.keeper.held["web"].conn.Close()
	r.keeper.mu.Unlock()
	for eventually.Get(t, "loss", here) {
	}
	for eventually.Get(t, "the lease again", r.notes) != "lease" {
	}
	if names := r.keeper.Held(); len(names) != 1 {
		t.Errorf("held: %v", names)
	}
	select {
	case <-r.ended:
		t.Error("a lost lease ended the mesh")
	case err := <-h.ended:
		t.Errorf("a lost lease ended the app's side: %v", err)
	default:
	}
	close(h.stop)
	eventually.Get(t, "end of the holder", h.ended)
}

// Who has handed in a code is missed by nobody, until nobody is left.
func TestTheLastAppThatEndsIsMissed(t *testing.T) {
	r := newRig(t)
	here := make(chan bool, 64)
	r.keeper.c.Changed = func() { here <- !r.keeper.Missing() }
	if r.keeper.Missing() {
		t.Error("an app without a lease is missed")
	}
	r.up(t)
	first, second := r.hold(t.Context(), "migrate", 0, 0), r.hold(t.Context(), "web", 3, 0)
	eventually.Get(t, "ready", first.ready)
	eventually.Get(t, "ready", second.ready)
	close(first.stop)
	eventually.Get(t, "end of the first", first.ended)
	for eventually.Get(t, "step", r.notes) != "lease-ended" {
	}
	if r.keeper.Missing() {
		t.Error("missed while the second one lives")
	}
	close(second.stop)
	eventually.Get(t, "end of the second", second.ended)
	for eventually.Get(t, "the last one's end", here) {
	}
}

func TestAMeshThatNeverComesUpIsGivenUp(t *testing.T) {
	r := newRig(t)
	h := r.hold(t.Context(), "web", 0, 50*time.Millisecond)
	if err := eventually.Get(t, "give up", h.gave); !strings.Contains(err.Error(), "50ms") {
		t.Error(err)
	}
	close(h.stop)
	eventually.Get(t, "end", h.ended)
}

func TestAMeshThatIsNotThereIsGivenUp(t *testing.T) {
	r := newRig(t)
	r.server.Close()
	h := r.hold(t.Context(), "web", 0, 50*time.Millisecond)
	if err := eventually.Get(t, "give up", h.gave); !strings.Contains(err.Error(), "50ms") {
		t.Error(err)
	}
	close(h.stop)
	eventually.Get(t, "end", h.ended)
}

func TestAnotherClientIsRefused(t *testing.T) {
	r := newRig(t)
	resp, err := http.Get(r.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// A client that is gone has lost its lease; one whose server ends has not.
func TestWhoHasEndedTheConnection(t *testing.T) {
	for name, closing := range map[string]bool{"the client": false, "the server": true} {
		notes := make(chan string, 8)
		k := running(t, KeeperConfig{Report: steps(notes)})
		base, cancel := context.WithCancelCause(t.Context())
		server := httptest.NewUnstartedServer(k)
		server.Config.BaseContext = func(net.Listener) context.Context { return base }
		server.Start()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /lease HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other/3, "+protocol+"\r\n\r\n{\"say\":\"hello\",\"name\":\"web\"}\n"); err != nil {
			t.Fatal(err)
		}
		if got := eventually.Get(t, "step", notes); got != "lease" {
			t.Fatal(got)
		}
		if closing {
			cancel(http.ErrServerClosed)
			if _, err := io.ReadAll(c); err != nil {
				t.Error(err)
			}
			for len(k.Held()) > 0 {
				runtime.Gosched()
			}
		} else {
			_ = c.Close()
			if got := eventually.Get(t, "step", notes); got != "lease-lost" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if lost := len(k.Lost()) > 0; lost == closing {
			t.Errorf("%s has ended it: lost %v", name, lost)
		}
		_ = c.Close()
		cancel(nil)
		server.Close()
	}
}

// What a life of leases is recorded as, to the word.
func TestLeasesAreEvents(t *testing.T) {
	events := make(chan event.Event, 8)
	k := running(t, KeeperConfig{Report: func(e event.Event) { events <- e }, Task: listing("web")})
	evil := connect(t, k)
	evil.say(`{"say":"hello","name":"../evil"}`)
	evil.hear()
	refused, ok := eventually.Get(t, "event", events).(event.LeaseRefused)
	if !ok || refused.Name != "" || !strings.Contains(refused.Reason, "letters") {
		t.Errorf("got %#v", refused)
	}
	web := connect(t, k)
	web.say(`{"say":"hello","name":"web"}`)
	web.hear()
	web.say(`{"say":"ended","code":7}`)
	for _, want := range []event.Event{event.Lease{Name: "web"}, event.LeaseEnded{Code: 7, Name: "web"}} {
		if got := eventually.Get(t, "event", events); got != want {
			t.Errorf("got %#v, want %#v", got, want)
		}
	}
}

// An app container whose mesh is not there waits, and gives up, for a reason that has a code.
func TestAMissingMeshHasACode(t *testing.T) {
	const nobody = "127.0.0.1:1"
	waits, gaveUp := make(chan event.Waiting, 1), make(chan error, 1)
	h := &Holder{Addr: nobody, Name: func(context.Context) string { return "web" }, Wait: time.Millisecond,
		GiveUp: func(err error) { gaveUp <- err },
		Report: func(e event.Event) {
			if w, ok := e.(event.Waiting); ok {
				select {
				case waits <- w:
				default:
				}
			}
		}}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- h.Run(t.Context(), func() {}, stop) }()
	if w := eventually.Get(t, "wait", waits); w.Code != event.MeshNotThere || w.Facts["address"] != nobody || w.Err == "" || w.Fix == "" {
		t.Errorf("it waits for %+v", w)
	}
	if c := event.CauseOf(eventually.Get(t, "giving up", gaveUp)); c == nil || c.Code != event.MeshNotThere || c.Facts["address"] != nobody {
		t.Errorf("it gives up because of %+v", c)
	}
	close(stop)
	if err := eventually.Get(t, "end", ended); err != nil {
		t.Error(err)
	}
}
