package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxLine  = 64 << 10 // a longer line comes in pieces
	tailSize = 20       // lines that are kept for the error message
	tailLine = 1 << 10  // of each of them
)

// output reads a child's stdout and stderr from pipes of our own, so that the end of the
// process and the end of its log are two events.
type output struct {
	lines       func(stream int, line []byte)
	sinks       []sink // of stdout and stderr
	read, write [2]*os.File
	open        atomic.Int32  // streams that are still read
	ended       chan struct{} // closed by the last of them

	mu   sync.Mutex // one line at a time, from either stream
	tail [tailSize]string
	next int // where the next line of tail goes; the oldest one is there
}

// sink takes what is read from a stream: it goes to space, which is never empty, and read
// says how much came. flush ends it.
type sink interface {
	space() []byte
	read(n int)
	flush()
}

// output makes the pipes when spec asks for lines, or has sinks.
func (c *Child) output(spec *Spec) (*output, error) {
	if spec.Lines == nil && spec.sinks == nil {
		return nil, nil
	}
	o := &output{lines: spec.Lines, sinks: spec.sinks, ended: make(chan struct{})}
	if o.sinks == nil {
		for _, stream := range []int{1, 2} {
			o.sinks = append(o.sinks, &splitter{emit: func(line []byte) { o.line(stream, line) }})
		}
	}
	for i := range o.read {
		r, w, err := os.Pipe()
		if err != nil {
			o.started(false)
			return nil, fmt.Errorf("make an output pipe: %w", err)
		}
		o.read[i], o.write[i] = r, w
	}
	c.out = o
	return o, nil
}

// started closes the child's ends and begins to read; without a child it closes all.
func (o *output) started(ok bool) {
	if o == nil {
		return
	}
	for i := range o.read {
		if o.write[i] != nil {
			o.write[i].Close()
		}
		if !ok && o.read[i] != nil {
			o.read[i].Close()
		}
	}
	if !ok {
		return
	}
	o.open.Store(int32(len(o.read)))
	for i, r := range o.read {
		go o.follow(o.sinks[i], r)
	}
}

// follow reads one stream until it ends, or until close has set its deadline.
func (o *output) follow(l sink, r *os.File) {
	defer func() {
		if r.Close(); o.open.Add(-1) == 0 {
			close(o.ended)
		}
	}()
	for {
		n, err := r.Read(l.space())
		l.read(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.drain(r, l)
		}
		if err != nil {
			l.flush()
			return
		}
	}
}

// drain passes on what is in the pipe now, once: a process that still writes must not hold us up.
func (o *output) drain(r *os.File, l sink) {
	raw, err := r.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		for left := 16 * maxLine; left > 0; { // a pipe holds a mebibyte at most, unless root raised it
			n, err := syscall.Read(int(fd), l.space())
			if err == syscall.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				return
			}
			l.read(n)
			left -= n
		}
	})
}

// close ends the reading and waits for the last line, at most limit: what takes the
// lines may be held up by its own reader.
func (o *output) close(limit time.Duration) {
	for _, r := range o.read {
		_ = r.SetReadDeadline(time.Unix(1, 0)) // fails where the stream has ended by itself
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-o.ended:
	case <-timer.C:
	}
}

func (o *output) line(stream int, line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail[o.next] = string(line[:min(len(line), tailLine)])
	o.next = (o.next + 1) % tailSize
	o.lines(stream, line)
}

func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	for i := range tailSize {
		if line := o.tail[(o.next+i)%tailSize]; line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// splitter cuts a stream into lines of at most maxLine bytes.
type splitter struct {
	emit func(line []byte)
	buf  []byte
	held int // bytes of buf that are an unfinished line
}

// space is where to read to; it is never empty.
func (l *splitter) space() []byte {
	if l.held == len(l.buf) {
		size := min(max(4096, 2*len(l.buf)), maxLine)
		l.buf = append(make([]byte, 0, size), l.buf...)[:size]
	}
	return l.buf[l.held:]
}

// read takes n more bytes of what space returned.
func (l *splitter) read(n int) {
	data, scanned := l.buf[:l.held+n], l.held
	for {
		i := bytes.IndexByte(data[scanned:], '\n')
		if i < 0 {
			break
		}
		l.emit(data[:scanned+i])
		data, scanned = data[scanned+i+1:], 0
	}
	l.held = copy(l.buf, data)
	if l.held == maxLine {
		// The mark takes the place of the last byte, which opens the next piece.
		last := l.buf[maxLine-1]
		l.buf[maxLine-1] = '\\'
		l.emit(l.buf)
		l.buf[0], l.held = last, 1
	}
}

// flush emits an unfinished line.
func (l *splitter) flush() {
	if l.held > 0 {
		l.emit(l.buf[:l.held])
		l.held = 0
	}
}
