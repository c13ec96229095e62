package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"meshtask/supervisor"
)

// Starter starts a child process; *supervisor.Supervisor is one.
type Starter interface {
	Start(supervisor.Spec) (*supervisor.Child, error)
}

// output runs a command to its end and returns its standard output, and nothing
// of its standard error. The error has the end of the latter. The command's
// group is killed when ctx ends or limit has passed.
func output(ctx context.Context, start Starter, spec supervisor.Spec, limit time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no end within %v", limit))
	defer cancel()
	var streams [2]stream
	for i := range streams {
		if err := streams[i].open(); err != nil {
			return nil, errors.Join(err, streams[0].close())
		}
	}
	spec.Stdout, spec.Stderr = streams[0].write, streams[1].write
	child, err := start.Start(spec)
	for i := range streams {
		streams[i].write.Close()
	}
	if err != nil {
		return nil, errors.Join(err, streams[0].close(), streams[1].close())
	}
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(streams[i].collect)
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		_ = child.SignalGroup(syscall.SIGKILL)
		within(killWait, child)
	}
	child.Clear(0)
	for i := range streams { // a descendant in another group may hold them open
		_ = streams[i].read.SetReadDeadline(time.Now().Add(time.Second))
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, context.Cause(ctx))
	}
	if exit := child.Exit(); exit.Status() != 0 {
		return nil, fmt.Errorf("%w: %s", &exit, lastLine(streams[1].data))
	}
	return streams[0].data, nil
}

// stream is one pipe from a command, read to its end and kept to bodyLimit.
type stream struct {
	read, write *os.File
	data        []byte
}

func (s *stream) open() (err error) {
	s.read, s.write, err = os.Pipe()
	return err
}

func (s *stream) close() error { return s.read.Close() }

func (s *stream) collect() {
	s.data, _ = io.ReadAll(io.LimitReader(s.read, bodyLimit))
	s.read.Close()
}

func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return clip(string(text[bytes.LastIndexByte(text, '\n')+1:]))
}
