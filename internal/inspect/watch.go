package inspect

import (
	"os"
	"slices"
	"syscall"
	"time"

	"meshtask/internal/state"
)

// every is how often a task that is watched is asked.
const every = time.Second

// Watch calls show for found, and for each answer that the same task gives after it, one a second,
// until show returns false, the task does not answer any more or a user's signal comes. gone tells
// how a task has ended; the error is of one that has left no record of that.
func (p Places) Watch(signals <-chan os.Signal, found Found, show func(Found) bool) (gone *state.Why, err error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	p.Named = found.Dir // the same one, whatever else comes
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	again := func() bool {
		for {
			select {
			case s := <-signals:
				if slices.Contains(ends, s) {
					return false
				}
			case <-tick.C:
				return true
			}
		}
	}
	for show(found) && again() {
		if found, err = p.Status(); err != nil {
			answer, _, unknown := p.Why()
			if unknown != nil {
				return nil, err
			}
			return &answer, nil
		}
	}
	return nil, nil
}
