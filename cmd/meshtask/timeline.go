package main

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"meshtask/internal/dev"
	"meshtask/internal/drawing"
	"meshtask/internal/inspect"
	"meshtask/internal/journal"
)

// runTimeline is `meshtask timeline [LOG]`: the measured T0–T4 of a task that
// runs, or of one that is gone, from its timeline or a log.
func runTimeline(w *world, c call) int {
	if len(c.Rest) > 1 {
		return w.fail(exitUsage, "timeline: want at most one file, or -")
	}
	if file := c.Set["svg"]; file != "" && !drawn(file) {
		return w.fail(exitUsage, "timeline: --svg: %s exists and is no drawing; the file to draw into goes behind --svg, and a log at the end: meshtask timeline --svg OUT.svg LOG", file)
	}
	record, now, err := w.life(c)
	if err != nil {
		return w.fail(1, "timeline: %v", err)
	}
	entries, note := record.Entries, record.Note()
	if note != "" && (c.Set["svg"] != "" || c.On("json")) {
		w.warn("timeline: %s", note)
	}
	if file := c.Set["svg"]; file != "" {
		if err := os.WriteFile(file, []byte(drawing.SVG(entries, now)), 0o644); err != nil {
			return w.fail(1, "timeline: %v", err)
		}
		return w.print([]byte("wrote " + file + "\n"))
	}
	if c.On("json") {
		return w.printJSON("timeline", entries)
	}
	out := drawing.Text(entries, now)
	if note != "" {
		out += note + "\n"
	}
	return w.print([]byte(out))
}

// drawn says whether a file may be drawn into: it is not there, empty, or a drawing.
func drawn(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return true // what is wrong with it, writing tells
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	return n == 0 || string(head[:n]) == "<svg"
}

// life reads the record that the command asks for. now is the time until which the task has
// lived, where it does still.
func (w *world) life(c call) (record journal.Record, now time.Time, err error) {
	if len(c.Rest) == 1 {
		record, err = inspect.File(c.Rest[0], w.stdin)
		return record, now, err
	}
	t, err := w.places(c).Record()
	w.found(t.Dir, err)
	if t.Held {
		now = time.Now()
	}
	return t.Record, now, err
}

// found says which directory was meant, where it is one of many.
func (w *world) found(dir string, err error) {
	if home := dev.Home(os.TempDir()); err == nil && filepath.Dir(dir) == home {
		w.warn("of the task in %s", dir)
	}
}
