package lease

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Keeper is the mesh container's side, and the unit app of a task whose apps
// live in other containers: ready at once, asked to stop it tells every lease,
// and it has ended when all leases are gone. Its fields are set before use.
type Keeper struct {
	Signal func() syscall.Signal // what the apps are stopped with
	Grace  func() time.Duration  // how long they may take
	// Changed is called after each change of what Here and Held tell; it must not
	// block. Optional.
	Changed func()
	// Note gets steps lease and lease-ended. Optional.
	Note func(event, detail string, kv ...any)
	// Others counts the app containers that still run and have never held a
	// lease, by the task metadata endpoint; they are waited for as well. known
	// are those that have. nil: nobody can tell.
	Others func(ctx context.Context, known []string) (int, error)

	mu       sync.Mutex
	known    []string
	up       bool
	stopping bool
	held     map[string]net.Conn
	lost     map[string]bool
	change   chan struct{} // closed and made anew at each change
}

// othersPoll is how often containers without a lease are looked at while they
// are waited for; the endpoint allows far more, and knows no events.
const othersPoll = time.Second

// Run is the unit.
func (k *Keeper) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	k.set(func() { k.up = true })
	ready()
	select {
	case <-stop:
	case <-ctx.Done():
		return nil
	}
	k.set(func() { k.stopping = true })
	poll := time.NewTicker(othersPoll)
	defer poll.Stop()
	var limit <-chan time.Time
	if k.Grace != nil {
		t := time.NewTimer(k.Grace())
		defer t.Stop()
		limit = t.C
	}
	for {
		n, changed := k.count()
		if n == 0 && k.others(ctx) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-limit:
			k.note("lease-kept", "names", strings.Join(k.Held(), " "))
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (k *Keeper) others(ctx context.Context) int {
	if k.Others == nil {
		return 0
	}
	k.mu.Lock()
	known := slices.Clone(k.known)
	k.mu.Unlock()
	n, err := k.Others(ctx, known)
	if err != nil {
		return 1 // no news: the next look may tell
	}
	return n
}

func (k *Keeper) stopMessage() message {
	m := message{Say: "stop", Signal: int(syscall.SIGTERM)}
	if k.Signal != nil {
		m.Signal = int(k.Signal())
	}
	if k.Grace != nil {
		m.Millis = k.Grace().Milliseconds()
	}
	return m
}

// Held are the names of the leases that are held, sorted.
func (k *Keeper) Held() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	for name := range k.held {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ServeHTTP takes one lease and keeps it until it ends.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		http.Error(w, "a lease is asked for with Upgrade: "+protocol, http.StatusUpgradeRequired)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be kept", http.StatusInternalServerError)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Time{})
	if _, err := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")); err != nil {
		return
	}
	hello, err := receive(rw.Reader)
	if err != nil || hello.Say != "hello" || hello.Name == "" {
		return
	}
	k.keep(c, rw.Reader, hello.Name)
}

// keep holds one lease: up is told when it may be, stop when it must be.
func (k *Keeper) keep(c net.Conn, r *bufio.Reader, name string) {
	ended := make(chan message, 1)
	go func() {
		defer close(ended)
		for {
			m, err := receive(r)
			if err != nil {
				return
			}
			if m.Say == "ended" {
				ended <- m
				return
			}
		}
	}()
	k.enter(name, c)
	for toldUp, toldStop := false, false; ; {
		k.mu.Lock()
		up, stopping, changed := k.up, k.stopping, k.change
		k.mu.Unlock()
		var err error
		switch {
		case stopping && !toldStop:
			toldStop = true
			err = send(c, k.stopMessage())
		case up && !stopping && !toldUp:
			toldUp = true
			err = send(c, message{Say: "up"})
		}
		if err != nil {
			_ = c.Close() // its reader sees it
		}
		select {
		case m, ok := <-ended:
			_ = c.Close()
			k.leave(name, c, ok, m.Code)
			return
		case <-changed:
		}
	}
}

func (k *Keeper) enter(name string, c net.Conn) {
	k.set(func() {
		if old := k.held[name]; old != nil {
			_ = old.Close() // the same container again: its old connection is dead
		}
		k.held[name] = c
		delete(k.lost, name)
		if !slices.Contains(k.known, name) {
			k.known = append(k.known, name)
		}
	})
	k.note("lease", "name", name)
}

func (k *Keeper) leave(name string, c net.Conn, ended bool, code int) {
	k.set(func() {
		if k.held[name] != c {
			return // it has been taken again
		}
		delete(k.held, name)
		if !ended {
			k.lost[name] = true
		}
	})
	if ended {
		k.note("lease-ended", "name", name, "code", code)
	} else {
		k.note("lease-lost", "name", name)
	}
}

// set changes the state under the lock and wakes whoever waits for it.
func (k *Keeper) set(f func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held, k.lost = map[string]net.Conn{}, map[string]bool{}
	}
	f()
	if k.change != nil {
		close(k.change)
	}
	k.change = make(chan struct{})
	k.mu.Unlock()
	if k.Changed != nil {
		k.Changed()
	}
}

// Here says whether the apps are there: none has gone without an exit code, or
// it has come again, and one is left if ever one held a lease. Apps without
// leases are always taken to be there.
func (k *Keeper) Here() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.lost) == 0 && (len(k.held) > 0 || len(k.known) == 0)
}

func (k *Keeper) count() (int, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.held), k.change
}

func (k *Keeper) note(detail string, kv ...any) {
	if k.Note != nil {
		k.Note("step", detail, kv...)
	}
}
