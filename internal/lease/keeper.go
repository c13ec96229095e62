package lease

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"meshtask/internal/event"
)

// KeeperConfig is what a Keeper needs. Every field is optional.
type KeeperConfig struct {
	Signal func() syscall.Signal // what the apps are stopped with; nil: TERM
	Grace  func() time.Duration  // how long they may take; nil: for ever
	// Changed is called after each change of what Missing and Held tell; it must not block.
	Changed func()
	// Report gets the events of leases; how many a name and all names can cause is bounded.
	Report event.Report
	// Task says who may hold a lease, and which apps without one are waited for.
	// nil: nobody can tell, every name may.
	Task *Roster
}

// Keeper is the mesh container's side, and the unit app of a task whose apps
// live in other containers: ready at once, asked to stop it tells every lease,
// and it has ended when all leases are gone.
type Keeper struct {
	c        KeeperConfig
	steps    noter
	refusals noter         // apart: they must not use up what a real lease may note
	wake     chan struct{} // one pending hint for Run that a lease has come or gone

	mu       sync.Mutex
	up       bool
	stopping bool
	held     map[string]*grant
	known    []string             // names that have held a lease, at most maxLeases
	lost     map[string]time.Time // since when, at most maxLeases
}

// NewKeeper returns a Keeper that nobody holds a lease at.
func NewKeeper(c KeeperConfig) *Keeper {
	c.Report = c.Report.Or()
	if c.Changed == nil {
		c.Changed = func() {}
	}
	return &Keeper{c: c, steps: noter{report: c.Report}, refusals: noter{report: c.Report}, wake: make(chan struct{}, 1), held: map[string]*grant{}, lost: map[string]time.Time{}}
}

// othersPoll is how often containers without a lease are looked at while they
// are waited for; the endpoint allows far more, and knows no events.
const othersPoll = time.Second

// Run is the unit.
func (k *Keeper) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	k.update(func() { k.up = true })
	ready()
	select {
	case <-stop:
	case <-ctx.Done():
		return nil
	}
	k.update(func() { k.stopping = true })
	poll := time.NewTicker(othersPoll)
	defer poll.Stop()
	var limit <-chan time.Time
	if k.c.Grace != nil {
		t := time.NewTimer(k.c.Grace())
		defer t.Stop()
		limit = t.C
	}
	for {
		if len(k.Held()) == 0 && k.others(ctx) == 0 {
			return nil
		}
		select {
		case <-k.wake:
		case <-poll.C:
		case <-limit:
			k.c.Report(event.LeasesKept{Names: strings.Join(k.Held(), " ")})
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// update changes what every holder is to know, and wakes them.
func (k *Keeper) update(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	for _, g := range k.held {
		poke(g.wake)
	}
}

func (k *Keeper) others(ctx context.Context) int {
	if k.c.Task == nil {
		return 0
	}
	k.mu.Lock()
	known := slices.Clone(k.known)
	k.mu.Unlock()
	n, err := k.c.Task.others(ctx, known)
	if err != nil {
		return 1 // no news: the next look may tell
	}
	return n
}

func (k *Keeper) stopMessage() message {
	m := message{Say: sayStop, Signal: int(syscall.SIGTERM)}
	if k.c.Signal != nil {
		m.Signal = int(k.c.Signal())
	}
	if k.c.Grace != nil {
		m.Millis = k.c.Grace().Milliseconds()
	}
	return m
}

// Held are the names of the leases that are held, sorted.
func (k *Keeper) Held() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := make([]string, 0, len(k.held))
	for name := range k.held {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Lost are the names whose lease has gone without an exit code, and has neither
// come again nor been forgotten, sorted.
func (k *Keeper) Lost() []string { return k.lostBefore(time.Now()) }

// lostBefore are the names whose lease was lost at that time or earlier, sorted.
func (k *Keeper) lostBefore(at time.Time) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := make([]string, 0, len(k.lost))
	for name, since := range k.lost {
		if !since.After(at) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// firstLost is when the earliest of the lost leases was lost; false: none is.
func (k *Keeper) firstLost() (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	first, any := time.Time{}, false
	for _, since := range k.lost {
		if !any || since.Before(first) {
			first, any = since, true
		}
	}
	return first, any
}

// forget drops lost names: what they stood for is there without them.
func (k *Keeper) forget(names []string) {
	k.mu.Lock()
	for _, name := range names {
		delete(k.lost, name)
	}
	k.mu.Unlock()
	for _, name := range names {
		k.steps.add(name, func(unnoted int) event.Event { return event.LeaseForgotten{Name: name, Unnoted: unnoted} })
	}
	k.c.Changed()
}

// Missing says whether an app that was there may not be: its lease was lost, or
// Gone.
func (k *Keeper) Missing() bool {
	k.mu.Lock()
	lost := len(k.lost) > 0
	k.mu.Unlock()
	return lost || k.Gone()
}

// Gone says whether leases were held and none is. Apps that never held one are
// not missed.
func (k *Keeper) Gone() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.held) == 0 && len(k.known) > 0
}
