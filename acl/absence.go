package acl

import "time"

// absences remembers since when those that have tokens, services or tasks, have not been seen.
type absences[K comparable] map[K]absence

type absence struct {
	since  time.Time
	sweeps int
}

// observe takes in a complete sweep; an incomplete one must not be shown to it,
// for a task that was not seen may well live. It returns those that have not
// lived for grace, in at least two complete sweeps.
func (a absences[K]) observe(now time.Time, grace time.Duration, have map[K]bool, live func(K) bool) map[K]bool {
	ended := map[K]bool{}
	for s := range have {
		if live(s) {
			continue
		}
		e, ok := a[s]
		if !ok {
			e.since = now
		}
		e.sweeps++
		a[s] = e
		if e.sweeps >= 2 && now.Sub(e.since) >= grace {
			ended[s] = true
		}
	}
	for s := range a {
		if !have[s] || live(s) {
			delete(a, s)
		}
	}
	return ended
}
