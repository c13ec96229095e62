package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"meshtask/internal/journal"
	"meshtask/internal/statedir"
)

// runTimeline is `meshtask timeline [LOG]`: the measured T0–T4 of a task that
// runs, or of one that is gone, from its timeline or a log.
func runTimeline(w *world, c call) int {
	if len(c.rest) > 1 {
		return w.fail(exitUsage, "timeline: want at most one file, or -")
	}
	record, _, err := w.recorded(c)
	if err != nil {
		return w.fail(1, "timeline: %v", err)
	}
	entries, note := record.Entries, record.Note()
	if note != "" && (c.set["svg"] != "" || c.on("json")) {
		w.warn("timeline: %s", note)
	}
	if file := c.set["svg"]; file != "" {
		if err := os.WriteFile(file, []byte(journal.SVG(entries)), 0o644); err != nil {
			return w.fail(1, "timeline: %v", err)
		}
		return 0
	}
	if c.on("json") {
		text, err := json.Marshal(entries)
		if err != nil {
			return w.fail(exitInternal, "timeline: %v", err)
		}
		return w.print(append(text, '\n'))
	}
	out := journal.Text(entries)
	if note != "" {
		out += note + "\n"
	}
	return w.print([]byte(out))
}

// recorded reads the named file, standard input for -, or the first state
// directory that has a timeline. held: that directory is a live task's.
func (w *world) recorded(c call) (record journal.Record, held bool, err error) {
	if len(c.rest) == 1 && c.rest[0] == "-" {
		record, err = timelineOf(w.stdin)
		return record, false, err
	}
	if len(c.rest) == 1 {
		f, err := os.Open(c.rest[0])
		if err != nil {
			return record, false, err
		}
		defer f.Close()
		record, err = timelineOf(f)
		return record, false, err
	}
	var readErr error
	err = w.ask(c, func(dir string) error {
		f, err := statedir.Read(dir, journal.TimelineFile)
		if err != nil {
			return err
		}
		defer f.Close()
		record, readErr = timelineOf(f)
		if held = statedir.Held(dir); !held {
			record.Why = summaryWhy(dir)
		}
		return nil
	})
	return record, held, cmp.Or(err, readErr)
}

func timelineOf(r io.Reader) (journal.Record, error) {
	record, err := journal.Read(r)
	if err == nil && len(record.Entries) == 0 {
		err = errors.New("no line of a task is in it, of its timeline or its log")
		if note := record.Note(); note != "" {
			err = fmt.Errorf("%w; %s", err, strings.TrimSuffix(note, "."))
		}
	}
	return record, err
}
