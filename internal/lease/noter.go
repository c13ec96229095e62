package lease

import (
	"sync"
	"time"

	"meshtask/internal/event"
)

const (
	// A name may cause burst steps at once and one a second: a lease that is taken and
	// given back is told in full, one that comes and goes all the time is not.
	nameBurst, namePause = 4, time.Second
	// All names together may cause this many, however many there are: ten a minute.
	allBurst, allPause = 256, 6 * time.Second
	// maxNames is how many names are counted one by one.
	maxNames = 2 * maxLeases
)

// allowance is a number of steps that may be noted, and grows back with time.
type allowance struct {
	left int
	at   time.Time // when left was right
}

// refill adds what has grown back since, up to burst.
func (a *allowance) refill(now time.Time, burst int, pause time.Duration) {
	if a.at.IsZero() {
		a.left, a.at = burst, now
	}
	n := int(now.Sub(a.at) / pause)
	if a.left += n; a.left >= burst {
		a.left, a.at = burst, now
		return
	}
	a.at = a.at.Add(time.Duration(n) * pause)
}

// noter bounds what peers can write into log and timeline.
type noter struct {
	report event.Report

	mu      sync.Mutex
	all     allowance
	names   map[string]*allowance
	skipped int // steps that were not noted since the last one that was
}

// add notes a step of name, or counts it for the next one that is noted. step makes it, of how
// many were not noted before it.
func (n *noter) add(name string, step func(unnoted int) event.Event) {
	n.mu.Lock()
	allowed, skipped := n.allow(name, time.Now()), n.skipped
	if allowed {
		n.skipped = 0
	} else {
		n.skipped++
	}
	n.mu.Unlock()
	if allowed {
		n.report(step(skipped))
	}
}

func (n *noter) allow(name string, now time.Time) bool {
	n.all.refill(now, allBurst, allPause)
	one := n.names[name]
	if one == nil {
		if len(n.names) >= maxNames {
			n.prune(now)
		}
		one = &allowance{}
		if len(n.names) < maxNames {
			if n.names == nil {
				n.names = map[string]*allowance{}
			}
			n.names[name] = one
		}
	}
	one.refill(now, nameBurst, namePause)
	if n.all.left == 0 || one.left == 0 {
		return false
	}
	n.all.left--
	one.left--
	return true
}

// prune drops the names that have their whole allowance again.
func (n *noter) prune(now time.Time) {
	for name, a := range n.names {
		if a.refill(now, nameBurst, namePause); a.left == nameBurst {
			delete(n.names, name)
		}
	}
}
