package acl

import (
	"time"

	"meshtask/acl/reconcile"
)

// absences remembers since when services that have tokens have had no tasks.
type absences map[reconcile.Service]absence

type absence struct {
	since  time.Time
	sweeps int
}

// observe takes in a complete sweep; an incomplete one must not be shown to it,
// for a task that was not seen may well live. It returns the services that
// have been without tasks for grace, in at least two complete sweeps.
func (a absences) observe(now time.Time, grace time.Duration, have map[reconcile.Service]bool, live map[reconcile.Service][]string) map[reconcile.Service]bool {
	ended := map[reconcile.Service]bool{}
	for s := range have {
		if len(live[s]) > 0 {
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
		if !have[s] || len(live[s]) > 0 {
			delete(a, s)
		}
	}
	return ended
}
