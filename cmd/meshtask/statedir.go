package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// longest is the longest path of a unix socket, by the kernel's sun_path.
const longest = 107

// stateDir is the one directory that a run writes to. It is ours alone while
// the lock is held.
type stateDir struct {
	path string
	lock *os.File
}

// candidates lists where a state directory may be: the given one alone, else
// the contract's three.
func candidates(given, tmpdir string) []string {
	if given != "" {
		return []string{given}
	}
	list := []string{"/run/meshtask"}
	if tmpdir != "" {
		list = append(list, filepath.Join(tmpdir, "meshtask"))
	}
	return append(list, "/tmp/meshtask")
}

// openStateDir takes the first writable of dirs. A directory that another live
// instance holds is refused by the instance's pid, not passed over: two tasks
// that share one by accident would otherwise start in turns.
func openStateDir(dirs []string) (*stateDir, error) {
	var errs []error
	for _, dir := range dirs {
		d, err := takeDir(dir)
		if err == nil {
			return d, nil
		}
		if errors.Is(err, errHeld) || errors.Is(err, errLong) {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no writable state directory, tried %s (set --dir or MESHTASK_DIR): %w", strings.Join(dirs, ", "), errors.Join(errs...))
}

var (
	errHeld = errors.New("the state directory is in use")
	errLong = errors.New("the state directory's path is too long")
)

func takeDir(dir string) (*stateDir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if n := len(filepath.Join(dir, "envoy-admin.sock")); n > longest {
		return nil, fmt.Errorf("%w: %s has no room for a socket (%d bytes, at most %d): choose a shorter --dir", errLong, dir, n, longest)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(f.Name())
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s is held by a live meshtask, pid %s: give each task its own --dir", errHeld, dir, strings.TrimSpace(string(pid)))
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &stateDir{path: dir, lock: f}, nil
}

// isHeld says whether a live task has the directory. It asks the kernel's list: to try
// the lock would keep a task that begins at this moment from having it.
func isHeld(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "lock"))
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return false
	}
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF
		f := strings.Fields(line)
		if len(f) > 5 && f[1] == "FLOCK" && strings.HasSuffix(f[5], fmt.Sprintf(":%d", stat.Ino)) {
			return true
		}
	}
	return false
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// file is a path inside the directory.
func (d *stateDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the directory up; its files stay for whoever asks why.
func (d *stateDir) close() error { return d.lock.Close() }
