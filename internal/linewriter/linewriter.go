// Package linewriter carries the lines of many to one descriptor. It knows pipes, and
// readers that are slow, stuck or gone; it does not know what a line says.
package linewriter

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// queueSize is how many bytes of lines wait for a slow reader.
const queueSize = 256 << 10

// Writer puts whole lines from many goroutines on one descriptor, each with a single
// write as long as the reader keeps up. A reader that is slow, stuck or gone costs lines,
// which are counted, and never holds up the caller of Line or Write, nor Close.
type Writer struct {
	fd      int
	file    *os.File // keeps fd open
	dropped atomic.Int64

	mu     sync.Mutex
	change *sync.Cond
	queue  []byte
	lost   int64 // of dropped, not yet told to the reader
	begun  bool  // a first line has started the writing goroutine: a silent life has none
	closed bool
	ended  chan struct{} // closed when the writing goroutine has returned
}

// New returns a Writer to f, which stays the caller's and must stay open until Close.
func New(f *os.File) *Writer {
	w := &Writer{fd: int(f.Fd()), file: f, ended: make(chan struct{})}
	w.change = sync.NewCond(&w.mu)
	return w
}

// Line writes prefix, line and a newline; "[envoy] " is a prefix. It drops the line when
// the queue is full.
func (w *Writer) Line(prefix string, line []byte) { w.add(prefix, line, false) }

// LineWait is Line for an application's own output: while the queue is full it waits, so
// that the application is slowed down rather than cut. It waits no longer than until
// Close.
func (w *Writer) LineWait(prefix string, line []byte) { w.add(prefix, line, true) }

// Write takes whole lines, as loggers write them. It never fails: see Dropped.
func (w *Writer) Write(p []byte) (int, error) {
	w.add("", bytes.TrimSuffix(p, []byte("\n")), false)
	return len(p), nil
}

// Dropped counts the lines that did not reach the descriptor.
func (w *Writer) Dropped() int64 { return w.dropped.Load() }

// Close writes what is queued, for at most limit, and ends the writing. Lines that come
// later are dropped. When the reader is stuck, a write may go on after Close.
func (w *Writer) Close(limit time.Duration) {
	w.mu.Lock()
	w.closed = true
	begun := w.begun
	w.change.Broadcast()
	w.mu.Unlock()
	if !begun {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.ended:
	case <-timer.C:
	}
}

func (w *Writer) add(prefix string, line []byte, wait bool) {
	size := len(prefix) + len(line) + 1
	w.mu.Lock()
	defer w.mu.Unlock()
	for wait && !w.closed && len(w.queue) > 0 && len(w.queue)+size > queueSize {
		w.change.Wait()
	}
	if w.closed || len(w.queue) > 0 && len(w.queue)+size > queueSize {
		w.dropped.Add(1)
		w.lost++
		return
	}
	if w.lost > 0 {
		w.queue = fmt.Appendf(w.queue, "meshtask: %d lines dropped, the reader was too slow\n", w.lost)
		w.lost = 0
	}
	w.queue = append(w.queue, prefix...)
	w.queue = append(w.queue, line...)
	w.queue = append(w.queue, '\n')
	if !w.begun {
		w.begun = true
		go w.run()
	}
	w.change.Broadcast()
}

func (w *Writer) run() {
	defer close(w.ended)
	var batch []byte
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.closed {
			w.change.Wait()
		}
		if len(w.queue) == 0 {
			w.mu.Unlock()
			return
		}
		if cap(batch) > queueSize/4 {
			batch = nil // the memory of a burst is not kept
		}
		batch, w.queue = w.queue, batch[:0]
		w.change.Broadcast()
		w.mu.Unlock()
		w.write(batch)
	}
}

// write does not use os.File, which kills the process when stdout or stderr is closed.
func (w *Writer) write(lines []byte) {
	for len(lines) > 0 {
		n, err := syscall.Write(w.fd, piece(lines))
		switch {
		case err == syscall.EINTR, err == syscall.EAGAIN && w.writable():
		case err != nil:
			w.dropped.Add(int64(bytes.Count(lines, []byte("\n"))))
			return
		default:
			lines = lines[n:]
		}
	}
}

// piece is as many whole lines as a pipe takes in one go, also when others write to it
// (PIPE_BUF); a longer line is a piece of its own.
func piece(lines []byte) []byte {
	const pipeBuf = 4096
	if len(lines) <= pipeBuf {
		return lines
	}
	if end := bytes.LastIndexByte(lines[:pipeBuf], '\n'); end >= 0 {
		return lines[:end+1]
	}
	return lines[:bytes.IndexByte(lines, '\n')+1]
}

// writable waits until a descriptor that we were given as non-blocking takes more.
func (w *Writer) writable() bool {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
	_, err := unix.Poll(fds, -1)
	return err == nil || err == unix.EINTR
}
