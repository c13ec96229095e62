package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// The files of a record.
const (
	TimelineFile = "timeline.jsonl"
	SummaryFile  = "summary.json"
)

// Store is the directory that a record is kept in.
type Store interface {
	Create(name string) (*os.File, error) // begins a file anew
	Write(name string, data []byte) error // replaces a file as a whole
	Remove(name string) error             // one that is not there is no error
}

// What a record may take. A life has some fifty lines of 200 bytes; one whose children
// restart for months, or that somebody floods with leases, must not fill the disk, which may
// be the task's memory.
const (
	maxFile  = 4 << 20
	forStop  = 1 << 20  // of it, for the way down: a record without its end explains nothing
	maxLine  = 16 << 10 // of one entry
	maxQueue = 1024     // lines that wait for the disk
)

// File is the sink that writes timeline.jsonl, and summary.json at the end. A goroutine of
// its own does the writing: a disk that hangs must hold up nobody.
type File struct {
	store   Store
	w       io.WriteCloser
	lines   chan []byte
	size    int    // of what has been taken; Write's own
	dropped int    // Write's own
	summary []byte // set before lines is closed
	done    chan struct{}
	err     error // the goroutine's own until done is closed
}

// Create begins timeline.jsonl anew and removes the summary of an earlier life.
func Create(store Store) (*File, error) {
	w, err := store.Create(TimelineFile)
	if err != nil {
		return nil, fmt.Errorf("cannot begin the timeline: %w", err)
	}
	f := newFile(store, w)
	if err := store.Remove(SummaryFile); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot begin the summary: %w", err), f.Close(nil, time.Second))
	}
	return f, nil
}

func newFile(store Store, w io.WriteCloser) *File {
	f := &File{store: store, w: w, lines: make(chan []byte, maxQueue), done: make(chan struct{})}
	go f.run()
	return f
}

// Write appends one line. It never blocks: a line that finds the queue or the file full is
// counted. It must not be called beside itself, nor after Close.
func (f *File) Write(e event.Entry) {
	if w, ok := e.Event.(event.Waiting); ok && w.Said&(w.Said-1) != 0 {
		return // it is named ever more seldom, so that a wait of months does not fill the file
	}
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxLine {
		line, err = shortened(line)
	}
	limit := maxFile - forStop
	switch e.Event.(type) {
	case event.Finish, event.Shutdown: // once each
		limit = maxFile + 2*maxLine
	default:
		if e.Way == event.Down {
			limit = maxFile
		}
	}
	if err != nil || len(line) > maxLine || f.size+len(line)+1 > limit {
		f.dropped++
		return
	}
	select {
	case f.lines <- append(line, '\n'):
		f.size += len(line) + 1
	default:
		f.dropped++
	}
}

// shortened is a line that is too long for the record, without the ends of its texts.
func shortened(line []byte) ([]byte, error) {
	const maxText = 1 << 10
	var doc map[string]any
	if err := json.Unmarshal(line, &doc); err != nil {
		return nil, err
	}
	var clip func(v any) any
	clip = func(v any) any {
		switch v := v.(type) {
		case string:
			if len(v) > maxText {
				return strings.ToValidUTF8(v[:maxText], "") + "…"
			}
		case map[string]any:
			for key := range v {
				v[key] = clip(v[key])
			}
		}
		return v
	}
	return json.Marshal(clip(doc))
}

// run writes what is queued, then the summary. The first error ends the writing to that
// file: a full disk must not end a task.
func (f *File) run() {
	defer close(f.done)
	for line := range f.lines {
		if f.err == nil {
			_, f.err = f.w.Write(line)
		}
	}
	f.err = errors.Join(f.err, f.w.Close())
	if f.summary != nil {
		if err := f.store.Write(SummaryFile, f.summary); err != nil {
			f.err = errors.Join(f.err, fmt.Errorf("cannot write the summary: %w", err))
		}
	}
}

// Close writes what is queued and the summary (nil: none), and waits for that, at most for
// limit: a disk that hangs must not hold up the exit. The error says what the record lacks.
func (f *File) Close(s *state.Summary, limit time.Duration) error {
	var errs []error
	if s != nil {
		text, err := json.Marshal(s)
		errs = append(errs, err)
		f.summary = append(text, '\n')
	}
	if f.dropped > 0 {
		errs = append(errs, fmt.Errorf("%d entries are not in %s: the disk was too slow, or the file had its %d bytes", f.dropped, TimelineFile, maxFile))
	}
	close(f.lines)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-f.done:
		errs = append(errs, f.err)
	case <-timer.C:
		errs = append(errs, fmt.Errorf("the disk has not taken %s and %s within %v", TimelineFile, SummaryFile, limit))
	}
	return errors.Join(errs...)
}
