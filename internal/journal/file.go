package journal

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// File is the sink that writes timeline.jsonl.
type File struct {
	w   io.WriteCloser
	err error
}

// Create begins dir/timeline.jsonl anew, mode 0600.
func Create(dir string) (*File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "timeline.jsonl"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot begin the timeline: %w", err)
	}
	return &File{w: f}, nil
}

// Write appends one line. The first error is kept for Close and ends the
// writing: a full disk must not end a task.
func (f *File) Write(e Entry) {
	if f.err != nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = f.w.Write(append(line, '\n'))
	}
	f.err = err
}

// Close ends the file and returns the first error of its life.
func (f *File) Close() error {
	if err := f.w.Close(); f.err == nil {
		f.err = err
	}
	return f.err
}

// longest is the longest line that is looked at; an app may print longer ones.
const longest = 1 << 20

// Read reads a life back: from timeline.jsonl, from a log that has such lines among others,
// or from the task's own log lines. Other lines are skipped.
func Read(r io.Reader) ([]Entry, error) {
	var timeline []Entry
	log := newLogReader()
	lines := bufio.NewReaderSize(r, longest)
	for {
		line, cut, err := lines.ReadLine()
		for cut && err == nil { // too long to be ours
			line = nil
			_, cut, err = lines.ReadLine()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return timeline, fmt.Errorf("cannot read the record: %w", err)
		}
		var e Entry
		if json.Unmarshal(line, &e) == nil && e.Event != "" && e.Unit != "" {
			timeline = append(timeline, e)
		} else {
			log.line(string(line))
		}
	}
	if len(timeline) > 0 {
		return timeline, nil
	}
	return log.entries(), nil
}
