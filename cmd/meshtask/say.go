package main

import (
	"sort"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/journal"
)

// say is the journal's sink that writes the log: what an operator needs, in
// order, at info; why, at debug.
func (t *task) say(e journal.Entry) {
	pairs := []any{"unit", e.Unit}
	if e.Mark != "" {
		pairs = append(pairs, "mark", e.Way+" "+e.Mark)
	}
	keys := make([]string, 0, len(e.Data))
	for k := range e.Data {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		pairs = append(pairs, k, e.Data[k])
	}
	switch e.Event {
	case journal.Mark:
		t.log.Info("mark", "reached", e.Way+" "+e.Mark, "ms", e.Ms)
	case journal.Shutdown:
		t.log.Info("shutdown", "cause", e.Detail)
	case journal.Ready:
		t.log.Info("ready", pairs...)
	case journal.Ended:
		if e.Detail != "" {
			pairs = append(pairs, "how", e.Detail)
		}
		t.log.Info("ended", pairs...)
	case journal.Step:
		if e.Detail == "exec" || e.Detail == "exit" {
			t.log.Debug(e.Detail, pairs...)
			return
		}
		level := hclog.Info
		if e.Detail == "hung" {
			level = hclog.Warn
		}
		t.log.Log(level, e.Detail, pairs...)
	case journal.Restart:
		t.log.Warn("restart", append(pairs, "reason", e.Detail)...)
	case journal.Killed:
		t.log.Warn("killed", append(pairs, "what", e.Detail)...)
	case journal.Exit, journal.Waiting: // have lines of their own
	default:
		t.log.Debug(e.Event, pairs...)
	}
}
