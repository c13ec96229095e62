package supervisor

import (
	"errors"
	"os"
	"syscall"
	"time"
)

const (
	// suspectGrace is how long a zombie that may be an os/exec child of some library is
	// left to that library's Wait, which usually follows within microseconds.
	suspectGrace = time.Second
	// sweepBatch bounds how long the lock is held while thousands of orphans are reaped.
	sweepBatch = 64
)

// reap is the one goroutine that waits for processes. It sleeps until a SIGCHLD comes: one
// may stand for many deaths, so each is answered by a sweep of everything that has ended.
func (s *Supervisor) reap(chld <-chan os.Signal) {
	r := &reaper{sup: s, suspects: make(map[int]time.Time), group: syscall.Getpgrp()}
	var again <-chan time.Time // set only while there are suspects
	for {
		if r.sweep(); len(r.suspects) > 0 {
			again = time.After(suspectGrace)
		} else {
			again = nil
		}
		select {
		case <-chld:
		case <-again:
		case <-s.quit:
			return
		}
	}
}

type reaper struct {
	sup      *Supervisor
	suspects map[int]time.Time // zombies in our own group, by when they were first seen
	group    int               // our own process group
}

// sweep reaps all that has ended, and gives suspects their grace.
func (r *reaper) sweep() {
	var orphans int
	for done := false; !done; {
		var n int
		n, done = r.batch()
		orphans += n
	}
	if orphans > 0 {
		r.sup.log.Debug("reaped orphans", "count", orphans)
	}
	s := r.sup
	s.mu.Lock()
	close(s.swept)
	s.swept = make(chan struct{})
	s.mu.Unlock()
}

// batch reaps up to sweepBatch zombies, the kernel's first each time. Where the first one
// is a suspect, which it would go on to report, it looks through the list of children.
func (r *reaper) batch() (orphans int, done bool) {
	s := r.sup
	s.mu.Lock()
	defer s.mu.Unlock()
	for range sweepBatch {
		pid, err := firstZombie()
		if err != nil || pid == 0 {
			clear(r.suspects)
			return orphans, true
		}
		if c := s.own[pid]; c != nil {
			s.end(c)
			continue
		}
		if !r.orphan(pid) {
			return orphans + r.list(), true
		}
		_, _ = wait4(pid, nil, nil)
		orphans++
	}
	return orphans, false
}

// list is the slow way, for when a suspect hides the zombies behind it.
func (r *reaper) list() (orphans int) {
	s := r.sup
	seen := make(map[int]time.Time)
	for _, pid := range children() {
		if c := s.own[pid]; c != nil {
			s.end(c)
			continue
		}
		if !zombie(pid) {
			continue
		}
		first, known := r.suspects[pid]
		if r.orphan(pid) || known && time.Since(first) >= suspectGrace {
			_, _ = wait4(pid, nil, nil)
			orphans++
			continue
		}
		if !known {
			first = time.Now()
		}
		seen[pid] = first
	}
	r.suspects = seen
	return orphans
}

// orphan says whether the zombie certainly is not an os/exec child of this process, which
// would be in our own process group.
func (r *reaper) orphan(pid int) bool {
	group, err := syscall.Getpgid(pid)
	return err == nil && group != r.group
}

// end takes the status of an own child, if it has ended.
func (s *Supervisor) end(c *Child) {
	if c.reaped() {
		delete(s.own, c.pid)
		close(c.done)
	}
}

// changed is closed after the next sweep.
func (s *Supervisor) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swept
}

// wait4 never blocks; 0 means that the process has not ended.
func wait4(pid int, ws *syscall.WaitStatus, ru *syscall.Rusage) (int, error) {
	for {
		got, err := syscall.Wait4(pid, ws, syscall.WNOHANG, ru)
		if !errors.Is(err, syscall.EINTR) {
			return got, err
		}
	}
}
