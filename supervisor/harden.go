package supervisor

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// CloseMemory keeps processes of our own user from reading our environment and memory and
// from tracing us, and the kernel from writing them to a core file: the process is not
// dumpable from now on. Its files in /proc are root's then; of those that we read ourselves
// (cgroup, task/*/children) all may be read by everybody. No exec keeps it, so no child has it.
func CloseMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the process undumpable: %w", err)
	}
	return nil
}

// Harden is for a process that holds secrets, and is called before the first Start. It is
// CloseMemory, and:
//   - no_new_privs for this process and all children to come, so that none of them becomes
//     more than it was started as, by a setuid binary or by file capabilities. Spec.User does
//     not need those: it is taken on before the exec.
//   - a limit of 0 for core files of this process; children keep the one that we were started
//     with unless Spec.NoCore is set.
func (s *Supervisor) Harden() error {
	if err := CloseMemory(); err != nil {
		return err
	}
	err := errClosed
	s.onThread(func() { // which forks the children; they inherit it
		err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	})
	if err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	// For the other threads, which start nothing: a binary with cgo cannot, and needs it not.
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if errno != 0 && errno != syscall.ENOTSUP {
		return fmt.Errorf("set no_new_privs for all threads: %w", errno)
	}
	var given unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &given); err != nil {
		return fmt.Errorf("read the limit of core files: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := limitCores(0, given.Max); err != nil {
		return err
	}
	s.cores = &given
	return nil
}

// limitCores sets our own limit. The hard one stays: only root could raise it again.
func limitCores(soft, hard uint64) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: soft, Max: hard}); err != nil {
		return fmt.Errorf("limit core files to %d: %w", soft, err)
	}
	return nil
}

// lendCores gives us, for the moment of a fork, the limit that the child is to inherit. It
// could not be set on the child afterwards: one of another user would not let us, and one of
// ours would run without it for a moment.
func (s *Supervisor) lendCores(spec *Spec) (back func()) {
	var ours unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &ours); err != nil {
		return func() {}
	}
	lent := ours.Cur
	switch {
	case spec.NoCore:
		lent = 0
	case s.cores != nil:
		lent = s.cores.Cur
	}
	if lent == ours.Cur {
		return func() {}
	}
	_ = limitCores(lent, ours.Max) // up to the hard limit, all are allowed
	return func() { _ = limitCores(ours.Cur, ours.Max) }
}

// noCores keeps a child of our own user from raising its limit again.
func noCores(pid int) error {
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil {
		return fmt.Errorf("limit its core files to 0: %w", err)
	}
	return nil
}
