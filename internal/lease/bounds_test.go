package lease

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/testbed/eventually"
)

// peer is a raw client beyond the upgrade, which says what it likes.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	done chan struct{} // the Keeper's side has ended
}

func connect(t *testing.T, k *Keeper) *peer {
	ours, theirs := net.Pipe()
	p := &peer{t: t, conn: ours, r: bufio.NewReader(ours), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		k.serve(t.Context(), theirs, bufio.NewReader(theirs))
	}()
	return p
}

func (p *peer) say(line string) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(line + "\n")); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) hear() message {
	p.t.Helper()
	m, err := receive(p.r)
	if err != nil {
		p.t.Fatalf("nothing is said: %v", err)
	}
	return m
}

// close ends the connection without a word, and waits for the Keeper to see it.
func (p *peer) close() {
	_ = p.conn.Close()
	<-p.done
}

// refused says that the mesh answers no, and why.
func (p *peer) refused(why string) {
	p.t.Helper()
	if m := p.hear(); m.Say != sayRefused || !strings.Contains(m.Why, why) {
		p.t.Errorf("the answer is %+v, want a refusal with %q", m, why)
	}
	<-p.done
}

// record is what a Keeper has noted.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) report(e event.Event) {
	_, detail, data := event.Words(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, detail+" "+string(data))
}

func (r *record) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.lines)
}

// running starts a Keeper that is up.
func running(t *testing.T, c KeeperConfig) *Keeper {
	k := NewKeeper(c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- k.Run(ctx, func() { close(ready) }, nil) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return k
}

func listing(names ...string) *Roster {
	return &Roster{Own: "mesh", Containers: func(context.Context) ([]ecs.Container, error) {
		list := []ecs.Container{{Name: "mesh", Type: "NORMAL"}, {Name: "~internal~ecs~pause", Type: "CNI_PAUSE"}}
		for _, name := range names {
			list = append(list, ecs.Container{Name: name, Type: "NORMAL", KnownStatus: "RUNNING"})
		}
		return list, nil
	}}
}

// Only the task's other containers may hold a lease, where the endpoint tells them.
func TestAStrangersNameIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := &record{}
		k := running(t, KeeperConfig{Task: listing("web", "worker"), Report: notes.report})
		for _, name := range []string{"evil", "mesh", "~internal~ecs~pause"} {
			p := connect(t, k)
			p.say(`{"say":"hello","name":"` + name + `"}`)
			m := p.hear()
			<-p.done
			if m.Say != sayRefused || k.Missing() || len(k.Held()) > 0 {
				t.Errorf("%s: answer %+v, missing %v, held %v", name, m, k.Missing(), k.Held())
			}
			time.Sleep(lookPause)
		}
		p := connect(t, k)
		p.say(`{"say":"hello","name":"worker"}`)
		if m := p.hear(); m.Say != sayUp {
			t.Errorf("a container of the task hears %+v", m)
		}
		p.close()
	})
}

// The endpoint is asked once a second, however many names are tried, and one that
// fails admits nobody who has not been seen.
func TestTheEndpointIsNotAskedForEveryName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks, fail := 0, error(nil)
		r := listing("web")
		list := r.Containers
		r.Containers = func(ctx context.Context) ([]ecs.Container, error) {
			looks++
			if fail != nil {
				return nil, fail
			}
			return list(ctx)
		}
		fail = errors.New("429")
		if why := r.admits(t.Context(), "web"); !strings.Contains(why, "try again") {
			t.Errorf("without an answer: %q", why)
		}
		fail = nil
		for i := range 50 {
			_ = r.admits(t.Context(), fmt.Sprint("evil", i))
		}
		if looks != 1 {
			t.Errorf("%d looks within a second", looks)
		}
		time.Sleep(lookPause)
		if why := r.admits(t.Context(), "web"); why != "" || looks != 2 {
			t.Errorf("%q after %d looks", why, looks)
		}
		fail = errors.New("down")
		time.Sleep(time.Hour)
		if why := r.admits(t.Context(), "web"); why != "" {
			t.Errorf("a container that was seen is refused: %s", why)
		}
	})
}

// Entering with the name of an app that lives closes nothing.
func TestAHeldNameIsNotTaken(t *testing.T) {
	r := newRig(t)
	r.up(t)
	h := r.hold(t.Context(), "web", 0, 0)
	eventually.Get(t, "ready", h.ready)
	eventually.Get(t, "lease", r.notes)
	for range 3 {
		p := connect(t, r.keeper)
		p.say(`{"say":"hello","name":"web"}`)
		p.refused("alive")
		if got := eventually.Get(t, "step", r.notes); got != "lease-refused" {
			t.Errorf("the step is %s", got)
		}
	}
	if r.keeper.Missing() {
		t.Error("the real app is missed")
	}
	close(h.stop)
	eventually.Get(t, "end of the holder", h.ended)
	if got := eventually.Get(t, "step", r.notes); got != "lease-ended" {
		t.Errorf("the holder's lease was disturbed: %s", got)
	}
}

// A holder that does not answer gives way to the one that has come again.
func TestASilentHolderGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := running(t, KeeperConfig{})
		old := connect(t, k)
		old.say(`{"say":"hello","name":"web"}`)
		old.hear()
		began := time.Now()
		again, third := connect(t, k), connect(t, k)
		again.say(`{"say":"hello","name":"web"}`)
		if m := old.hear(); m.Say != sayPing {
			t.Errorf("the old one hears %+v", m)
		}
		third.say(`{"say":"hello","name":"web"}`)
		third.refused("is being asked")
		if m := again.hear(); m.Say != sayUp || time.Since(began) != pongLimit {
			t.Errorf("the new one hears %+v after %v", m, time.Since(began))
		}
		<-old.done
		if k.Missing() {
			t.Error("the lease is held and missed")
		}
		again.close()
		if got := k.Lost(); !slices.Equal(got, []string{"web"}) {
			t.Errorf("lost: %v", got)
		}
	})
}

// Silence, noise and names that are none end the connection, and cost nothing else.
func TestAPeerThatTalksNonsenseIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := running(t, KeeperConfig{})
		silent := connect(t, k)
		began := time.Now()
		<-silent.done
		if took := time.Since(began); took != helloLimit {
			t.Errorf("a silent connection stays for %v", took)
		}
		for _, line := range []string{"", "GET / HTTP/1.1", `{"say":"ended"}`, `{"say":1}`, `[]`, "\x00\xff"} {
			p := connect(t, k)
			p.say(line)
			<-p.done
		}
		long := connect(t, k)
		go func() { _, _ = long.conn.Write([]byte(strings.Repeat("x", 2*lineLimit))) }()
		<-long.done
		for _, name := range []string{"", "a b", "a/b", "a\x1b[31m", "é", strings.Repeat("n", maxName+1)} {
			p := connect(t, k)
			line, err := json.Marshal(message{Say: sayHello, Name: name})
			if err != nil {
				t.Fatal(err)
			}
			p.say(string(line))
			p.refused("letters, digits")
		}
		noisy := connect(t, k)
		noisy.say(`{"say":"hello","name":"web"}`)
		noisy.hear()
		for range strangeLimit {
			noisy.say(`{"say":"news"}`)
		}
		<-noisy.done
		if got := k.Lost(); !slices.Equal(got, []string{"web"}) {
			t.Errorf("lost: %v", got)
		}
	})
}

// There are at most 64 leases, and as many names that are remembered.
func TestLeasesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := running(t, KeeperConfig{})
		var all []*peer
		for i := range maxLeases {
			p := connect(t, k)
			p.say(fmt.Sprintf(`{"say":"hello","name":"n%d"}`, i))
			p.hear()
			all = append(all, p)
		}
		more := connect(t, k)
		more.say(`{"say":"hello","name":"more"}`)
		more.refused("64 leases")
		for _, p := range all {
			p.close()
		}
		for i := range 3 * maxLeases {
			p := connect(t, k)
			p.say(fmt.Sprintf(`{"say":"hello","name":"m%d"}`, i))
			p.hear()
			p.close()
		}
		if lost, known := len(k.Lost()), len(k.known); lost > maxLeases || known > maxLeases {
			t.Errorf("%d lost and %d known names are kept", lost, known)
		}
	})
}

// However peers come and go, the record grows slowly, and says what it leaves out.
func TestTheRecordGrowsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, of := range map[string]func(i int) string{"one name": func(int) string { return "web" }, "ever new names": func(i int) string { return fmt.Sprint("n", i) }} {
			notes := &record{}
			k := running(t, KeeperConfig{Report: notes.report})
			const turns = 5000
			began := time.Now()
			for i := range turns {
				p := connect(t, k)
				p.say(`{"say":"hello","name":"` + of(i) + `"}`)
				p.hear()
				p.close()
				time.Sleep(time.Millisecond)
			}
			took := time.Since(began)
			most := allBurst + int(took/allPause) + 1
			if name == "one name" {
				most = nameBurst + int(took/namePause) + 1
			}
			if n := notes.size(); n == 0 || n > most {
				t.Errorf("%s: %d lines for %d leases in %v, want at most %d", name, n, turns, took, most)
			}
			time.Sleep(time.Minute)
			p := connect(t, k)
			p.say(`{"say":"hello","name":"web"}`)
			p.hear()
			p.close()
			if said := strings.Join(notes.lines, "\n"); !strings.Contains(said, "unnoted") {
				t.Errorf("%s: nothing says that lines are left out:\n%s", name, said)
			}
			if n := len(k.steps.names); n > maxNames {
				t.Errorf("%s: %d names are counted", name, n)
			}
		}
	})
}

// Whoever listens at the mesh's port can ask for a stop; only signals that stop apps are sent.
func TestStopSignalsAreOfASaneList(t *testing.T) {
	for n, want := range map[int]syscall.Signal{
		0: 15, 1: 1, 2: 2, 3: 3, 9: 15, 10: 10, 11: 15, 12: 12, 13: 15, 15: 15, 17: 15, 18: 15, 19: 15, 20: 15, 23: 15, 28: 28, 32: 15, 33: 15, 34: 34, 35: 35, 64: 64, 65: 15, 9999: 15, -1: 15,
	} {
		var log strings.Builder
		h := &Holder{Addr: "127.0.0.1:9902", Log: hclog.New(&hclog.LoggerOptions{Output: &log})}
		if got := h.stopSignal(n); got != want {
			t.Errorf("signal %d: the app gets %d, want %d", n, got, want)
		}
		if warned := strings.Contains(log.String(), "[WARN]"); warned != (int(want) != n) {
			t.Errorf("signal %d: log %q", n, log.String())
		}
	}
}
