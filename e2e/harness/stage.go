package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// Perform runs play with a T that is no test, for programs. It returns 0 when
// nothing failed, 1 when something did, 130 after Ctrl-C or TERM. Whatever play
// started has ended when it returns. A second Ctrl-C ends the program at once;
// the kernel then ends the children.
func Perform(out io.Writer, play func(T)) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	interrupted := errors.New("interrupted")
	go func() {
		<-signals
		cancel(interrupted)
		<-signals
		os.Exit(130)
	}()

	s := &stage{out: out, ctx: ctx}
	done := make(chan struct{})
	go func() { // Fatalf leaves through runtime.Goexit
		defer close(done)
		play(s)
	}()
	<-done
	s.strike()
	switch {
	case errors.Is(context.Cause(ctx), interrupted):
		fmt.Fprintln(out, "interrupted; everything has been ended")
		return 130
	case s.Failed():
		return 1
	}
	return 0
}

// stage is the T of Perform.
type stage struct {
	out io.Writer
	ctx context.Context // of the whole performance; T has it as *testing.T has

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

func (s *stage) Helper()                  {}
func (s *stage) Context() context.Context { return s.ctx }

func (s *stage) Logf(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *stage) Fatalf(format string, args ...any) {
	if s.ctx.Err() == nil {
		s.Logf("FAILED: "+format, args...)
	}
	s.mu.Lock()
	s.failed = true
	s.mu.Unlock()
	runtime.Goexit()
}

func (s *stage) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed && s.ctx.Err() == nil
}

func (s *stage) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "meshtask-")
	if err != nil {
		s.Fatalf("no temporary folder: %v", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// strike runs the cleanups, the latest first.
func (s *stage) strike() {
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}
