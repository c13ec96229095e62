// Package waits has each unit that waits named every five seconds (CONTRACT §3).
package waits

import (
	"sync"
	"time"

	"meshtask/internal/event"
)

// sayEvery is how often a waiting unit is named.
const sayEvery = 5 * time.Second

// Waits repeats what units wait for. There is no timer while nobody does.
type Waits struct {
	say   func(unit string, w event.Waiting)
	mu    sync.Mutex
	over  bool
	units map[string]*wait
}

type wait struct {
	now   event.Waiting
	since time.Time
	timer *time.Timer
}

// New returns Waits that say w of a unit after five seconds, and again, with for how long and
// how often it was said. say must not call the Waits.
func New(say func(unit string, w event.Waiting)) *Waits {
	return &Waits{say: say, units: map[string]*wait{}}
}

// Report passes a unit's events on and follows its waits.
func (w *Waits) Report(unit string, next event.Report) event.Report {
	return func(e event.Event) {
		next(e)
		switch e := e.(type) {
		case event.Waiting:
			w.begin(unit, e)
		case event.WaitOver, event.Ended:
			w.end(unit)
		}
	}
}

// Of is the report of a unit whose waits are all that matters.
func (w *Waits) Of(unit string) event.Report { return w.Report(unit, event.None) }

func (w *Waits) begin(unit string, e event.Waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	u := w.units[unit]
	switch {
	case u == nil:
		u = &wait{since: time.Now()}
		u.timer = time.AfterFunc(sayEvery, func() { w.repeat(unit, u) })
		w.units[unit] = u
	case u.now.What != e.What:
		u.since = time.Now()
	}
	e.Said = u.now.Said
	u.now = e
}

func (w *Waits) end(unit string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.units[unit]; u != nil {
		u.timer.Stop()
		delete(w.units, unit)
	}
}

func (w *Waits) repeat(unit string, u *wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.units[unit] != u || w.over {
		return
	}
	u.now.Said++
	u.now.Since = time.Since(u.since).Round(100 * time.Millisecond)
	w.say(unit, u.now)
	u.timer.Reset(sayEvery)
}

// Close stops every timer, for good.
func (w *Waits) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	for _, u := range w.units {
		u.timer.Stop()
	}
}
