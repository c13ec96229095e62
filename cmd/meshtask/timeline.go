package main

import (
	"os"

	"meshtask/internal/inspect"
	"meshtask/internal/journal"
)

// runTimeline is `meshtask timeline [LOG]`: the measured T0–T4 of a task that
// runs, or of one that is gone, from its timeline or a log.
func runTimeline(w *world, c call) int {
	if len(c.rest) > 1 {
		return w.fail(exitUsage, "timeline: want at most one file, or -")
	}
	var record journal.Record
	var err error
	if len(c.rest) == 1 {
		record, err = w.named(c)
	} else {
		record, _, err = w.places(c).Record()
	}
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
		return w.printJSON("timeline", entries)
	}
	out := journal.Text(entries)
	if note != "" {
		out += note + "\n"
	}
	return w.print([]byte(out))
}

// named reads the record in the file that was named, or in standard input for -.
func (w *world) named(c call) (journal.Record, error) {
	if c.rest[0] == "-" {
		return inspect.Read(w.stdin)
	}
	f, err := os.Open(c.rest[0])
	if err != nil {
		return journal.Record{}, err
	}
	defer f.Close()
	return inspect.Read(f)
}
