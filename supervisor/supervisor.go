// Package supervisor starts, signals, waits for and reaps processes: it is what makes
// meshtask a container's init. It knows process groups, signals, terminals, pipes, probes
// and restarts. It knows nothing of Consul, Envoy, ECS, of the order of units or of why a
// stop was asked for; it reads no environment and installs no signal handler.
//
// One goroutine, locked to its thread for life, forks every child; another one does every
// wait. Nothing else in the process may call wait4(-1), and nothing else may start a child
// in a process group of its own: the reaper takes such a zombie for an orphan.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// Supervisor owns all children of this process, the started and the adopted ones.
type Supervisor struct {
	log  hclog.Logger
	null int // descriptor of the null device, for streams that are not given

	jobs chan func() // run on the spawning thread
	quit chan struct{}
	wg   sync.WaitGroup

	away int // children that have the terminal; of the spawning thread alone

	mu    sync.Mutex // held from fork to registration, and around each reap
	own   map[int]*Child
	cores *unix.Rlimit  // of core files, for children; nil: ours is theirs
	swept chan struct{} // closed and replaced whenever a sweep has reaped something
}

// New makes this process a child subreaper and starts the spawning thread and the reaper.
// chld receives SIGCHLD (signal.Notify is the caller's) and must be buffered, so that a
// signal that comes during a sweep is not lost. log gets what was reaped, at debug; nil
// logs nothing. There is to be one Supervisor at a time in a process.
func New(chld <-chan os.Signal, log hclog.Logger) (*Supervisor, error) {
	return newSupervisor(chld, log, suspectGrace)
}

// newSupervisor is New with another grace for suspects.
func newSupervisor(chld <-chan os.Signal, log hclog.Logger, grace time.Duration) (*Supervisor, error) {
	if cap(chld) == 0 {
		return nil, errors.New("supervisor: the SIGCHLD channel must be buffered")
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a child subreaper: %w", err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the null device for children: %w", err)
	}
	resetIgnored()
	ignoreUncatchable()
	s := &Supervisor{
		log:   log,
		null:  null,
		jobs:  make(chan func()),
		quit:  make(chan struct{}),
		own:   make(map[int]*Child),
		swept: make(chan struct{}),
	}
	s.wg.Go(s.spawnThread)
	s.wg.Go(func() { s.reap(chld, grace) })
	return s, nil
}

// Close kills the children that still live, with their groups, and ends the spawning
// thread and the reaper. It does not wait long for any of them: one that has not ended by now is stuck.
// Start fails from now on. Close is called once.
func (s *Supervisor) Close() {
	s.mu.Lock()
	left := slices.Collect(maps.Values(s.own))
	s.mu.Unlock()
	for _, c := range left {
		_ = c.kill(context.Background(), hurry, 0)
	}
	close(s.quit)
	s.wg.Wait()
	_ = unix.Close(s.null)
}

// spawnThread never unlocks its thread: the parent-death signal of every child hangs on it
// (golang.org/issue/27505).
func (s *Supervisor) spawnThread() {
	runtime.LockOSThread()
	// Children inherit the mask of the thread that forks them.
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.quit:
			return
		}
	}
}

// onThread runs job on the spawning thread and waits for it. False: closed, not run.
func (s *Supervisor) onThread(job func()) bool {
	done := make(chan struct{})
	select {
	case s.jobs <- func() { defer close(done); job() }:
		<-done
		return true
	case <-s.quit:
		return false
	}
}
