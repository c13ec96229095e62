package main

import (
	"maps"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// sayEvery is how often a waiting unit is named, by CONTRACT §3.
const sayEvery = 5 * time.Second

// wait is what one unit waits for.
type wait struct {
	What  string    `json:"what"`
	Since time.Time `json:"since"`
	Err   string    `json:"error,omitempty"`
	Hint  string    `json:"hint,omitempty"`
	said  int       // how often it was named
}

// waits names, every five seconds, each unit that waits. There is no timer
// while nobody does.
type waits struct {
	log   hclog.Logger
	note  func(unit, what string, kv ...any) // the record of it; nil: none
	mu    sync.Mutex
	units map[string]wait
	timer map[string]*time.Timer
}

func newWaits(log hclog.Logger) *waits {
	return &waits{log: log, units: map[string]wait{}, timer: map[string]*time.Timer{}}
}

// of returns the callback of one unit; an empty what ends the wait.
func (w *waits) of(unit string) func(what, lastError, hint string) {
	return func(what, lastError, hint string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		old, had := w.units[unit]
		switch {
		case what == "" && had:
			w.timer[unit].Stop()
			delete(w.timer, unit)
			delete(w.units, unit)
		case what != "" && old.What == what:
			old.Err, old.Hint = lastError, hint
			w.units[unit] = old
		case what != "":
			w.units[unit] = wait{What: what, Since: time.Now(), Err: lastError, Hint: hint}
			if !had {
				w.timer[unit] = time.AfterFunc(sayEvery, func() { w.say(unit) })
			}
		}
	}
}

func (w *waits) say(unit string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, ok := w.units[unit]
	if !ok {
		return
	}
	since := time.Since(now.Since).Round(100 * time.Millisecond)
	w.log.Info("waiting", "unit", unit, "for", now.What, "since", since, "error", now.Err, "hint", now.Hint)
	// The record names it ever more seldom, so that a wait of months does not fill it.
	if now.said++; w.note != nil && now.said&(now.said-1) == 0 {
		w.note(unit, now.What, "since", since, "error", now.Err, "hint", now.Hint)
	}
	w.units[unit] = now
	w.timer[unit].Reset(sayEvery)
}

// now is a copy of who waits for what.
func (w *waits) now() map[string]wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]wait, len(w.units))
	maps.Copy(out, w.units)
	return out
}

// end stops every timer.
func (w *waits) end() {
	for unit := range w.now() {
		w.of(unit)("", "", "")
	}
}
