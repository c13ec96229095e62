package journal

import (
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
