package task

import (
	"sync"

	"meshtask/internal/cgroup"
	"meshtask/internal/event"
)

// oomWatch looks at each child's end whether the kernel has killed for want of memory since
// the last look, and names the child that ended.
type oomWatch struct {
	kills func() int
	mu    sync.Mutex
	begun bool
	last  int
}

func newOOMWatch() *oomWatch {
	return &oomWatch{kills: func() int { return cgroup.OOMKills(cgroup.Root{}) }}
}

// report passes a unit's events on and adds OutOfMemory.
func (o *oomWatch) report(unit string, next event.Report) event.Report {
	return func(e event.Event) {
		next(e)
		switch e.(type) {
		case event.Exec:
			o.begin()
		case event.Exit:
			if n := o.since(); n > 0 {
				next(event.OutOfMemory{Process: unit, Kills: int64(n)})
			}
		}
	}
}

// begin takes the count beside the start of the first child: what was killed before is not
// ours.
func (o *oomWatch) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.begun {
		o.begun, o.last = true, o.kills()
	}
}

// since is how many were killed since the last look.
func (o *oomWatch) since() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, last := o.kills(), o.last
	o.last = n
	return max(0, n-last)
}
