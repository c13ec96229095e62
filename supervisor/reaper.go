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
	// burstPause is the most that zombies are left to gather for while many orphans end:
	// each look costs the kernel a walk over all processes that still run, each signal costs us a
	// wake-up. A child's end is known that much later then.
	burstPause = 5 * time.Millisecond
)

// reap is the one goroutine that waits for processes. It sleeps until a SIGCHLD comes: one
// may stand for many deaths, so each is answered by a sweep of everything that has ended.
func (s *Supervisor) reap(chld <-chan os.Signal, grace time.Duration) {
	r := &reaper{sup: s, suspects: make(map[int]time.Time), grace: grace, own: syscall.Getpgrp()}
	var again <-chan time.Time // set only while there are suspects
	for {
		begun := time.Now()
		burst := r.sweep() > 1
		if len(r.suspects) > 0 {
			again = time.After(grace)
		} else {
			again = nil
		}
		if burst {
			select {
			case <-time.After(min(max(time.Since(begun), time.Millisecond), burstPause)):
				continue
			case <-s.quit:
				return
			}
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
	grace    time.Duration     // of suspects
	own      int               // our own process group
	usage    syscall.Rusage
}

// sweep reaps all that has ended, gives suspects their grace, and tells who has been stopped.
func (r *reaper) sweep() (orphans int) {
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
	for pid, c := range s.own {
		if c.turns == nil {
			continue
		}
		if sig, ok := stopOrContinue(pid); ok {
			c.tell(sig)
		}
	}
	close(s.swept)
	s.swept = make(chan struct{})
	s.mu.Unlock()
	return orphans
}

// batch reaps up to about sweepBatch zombies, the kernel's first each time and then the
// others of its group. Where the first one is a suspect, which the kernel would go on to
// report, it looks through the list of children.
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
		group, foreign := r.group(pid)
		if !foreign {
			return orphans + r.list(), true
		}
		if group == 0 { // it has come into our pid namespace from outside
			_, _ = wait4(pid, nil, nil)
			orphans++
			continue
		}
		n, more := r.reapGroup(group)
		if orphans += n; n > 1 && !more {
			return orphans, true // a burst, after which there is another look anyway
		}
		if orphans >= sweepBatch {
			break
		}
	}
	return orphans, false
}

// reapGroup costs one call a zombie, as wait4(-1) does, but meets none of our own group.
// The group may be a child's, which may be among those that have ended.
func (r *reaper) reapGroup(group int) (orphans int, more bool) {
	s := r.sup
	for range sweepBatch {
		var ws syscall.WaitStatus
		var ru *syscall.Rusage // costs the kernel some, and is of interest for our own alone
		if leader := s.own[group]; leader != nil {
			s.end(leader)
			ru = &r.usage
		}
		pid, err := wait4(-group, &ws, ru)
		if err != nil || pid <= 0 {
			return orphans, false
		}
		if c := s.own[pid]; c != nil { // it ended just now, or has joined another group
			c.ended(exitOf(c.name, pid, ws, ru))
			s.release(c)
			continue
		}
		orphans++
	}
	return orphans, true
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
		if _, foreign := r.group(pid); foreign || known && time.Since(first) >= r.grace {
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

// group is the zombie's process group. It is foreign when it is not ours, where an os/exec
// child of this process would be: then the zombie certainly is an orphan.
func (r *reaper) group(pid int) (group int, foreign bool) {
	group, err := syscall.Getpgid(pid)
	return group, err == nil && group != r.own
}

// end takes the status of an own child, if it has ended.
func (s *Supervisor) end(c *Child) {
	if c.reaped() {
		s.release(c)
	}
}

// release makes the end of a child known.
func (s *Supervisor) release(c *Child) {
	delete(s.own, c.pid)
	close(c.done)
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
