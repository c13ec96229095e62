// Package statedir is the one directory that a run writes to, and the only place in the
// program that writes files there: it is ours alone, by its owner, its mode, the directories
// above it and a lock, and everything in it is opened relative to its descriptor, never
// through a link.
//
// It knows owners, modes and links. It does not know what the files are for.
package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The names in a state directory that have to do with who has it.
const (
	lockName    = "lock"
	longestName = "envoy-admin.sock" // of the sockets that are bound in it
	maxSocket   = 107                // the longest path of a unix socket, by the kernel's sun_path
)

// Errors of Open for which trying another directory is no use.
var (
	ErrHeld = errors.New("the state directory is in use")
	ErrLong = errors.New("the state directory's path is too long")
)

// Dir is a directory that nobody else can write to.
type Dir struct {
	path string
	fd   *os.File
	lock *os.File // nil: it is not ours alone
}

// Candidates lists where a state directory may be: the given one alone, else the contract's
// three.
func Candidates(given, tmpdir string) []string {
	if given != "" {
		return []string{given}
	}
	list := []string{"/run/meshtask"}
	if tmpdir != "" {
		list = append(list, filepath.Join(tmpdir, "meshtask"))
	}
	return append(list, "/tmp/meshtask")
}

// Open takes the first of dirs that is, or can be made, ours alone, and makes it 0700. passed
// is told of each that is passed over because it is a stranger's (a *StrangeError). A
// directory that another live instance holds is refused by the instance's pid (ErrHeld), not
// passed over: two tasks that share one by accident would otherwise start in turns.
func Open(dirs []string, passed func(error)) (*Dir, error) {
	var errs []error
	for _, dir := range dirs {
		d, err := take(dir)
		if err == nil {
			return d, nil
		}
		if errors.Is(err, ErrHeld) || errors.Is(err, ErrLong) {
			return nil, err
		}
		if _, ok := errors.AsType[*StrangeError](err); ok && len(dirs) > 1 {
			passed(err)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no writable state directory of our own, tried %s (set --dir or MESHTASK_DIR to a directory of uid %d): %w",
		strings.Join(dirs, ", "), os.Geteuid(), errors.Join(errs...))
}

// Shared opens a directory that others may read, and may write to only where it is sticky.
// It has no lock, and its mode stays as it is.
func Shared(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	fd, err := openDir(path)
	if err != nil {
		return nil, err
	}
	w := walk{at: int(fd.Fd()), where: path}
	st, err := w.stat(w.at)
	if err == nil {
		err = w.safe(path, st)
	}
	if err != nil {
		_ = fd.Close()
		return nil, err
	}
	return &Dir{path: path, fd: fd}, nil
}

func take(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if n := len(filepath.Join(path, longestName)); n > maxSocket {
		return nil, fmt.Errorf("%w: %s has no room for a socket (%d bytes, at most %d): choose a shorter --dir", ErrLong, path, n, maxSocket)
	}
	fd, err := openDir(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, fd: fd}
	if err = private(fd, path); err == nil {
		err = d.take()
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// private makes an open directory 0700; one that is not ours is a stranger's.
func private(fd *os.File, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case int(st.Uid) == os.Geteuid():
	case st.Uid == 0: // no stranger, and no use to us: not worth a warning
		return &os.PathError{Op: "take", Path: path, Err: fmt.Errorf("it belongs to root, and we run as uid %d: %w", os.Geteuid(), os.ErrPermission)}
	default:
		return &StrangeError{path, fmt.Sprintf("belongs to uid %d, and we run as uid %d", st.Uid, os.Geteuid())}
	}
	if st.Mode&0o7777 != 0o700 {
		if err := unix.Fchmod(int(fd.Fd()), 0o700); err != nil {
			return &os.PathError{Op: "chmod", Path: path, Err: err}
		}
	}
	return nil
}

// take locks the directory and leaves our pid for the next process that tries.
func (d *Dir) take() error {
	f, err := d.open(lockName, unix.O_CREAT|unix.O_RDWR)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readPID(f)
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return &os.PathError{Op: "lock", Path: d.Path(lockName), Err: err}
		}
		return fmt.Errorf("%w: %s is held by a live meshtask%s: give each task its own --dir", ErrHeld, d.path, holder)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	d.lock = f
	return nil
}

// readPID says who holds the lock, unless the file has something else in it.
func readPID(f *os.File) string {
	var buf [16]byte
	n, _ := f.ReadAt(buf[:], 0) // a file that cannot be read names nobody
	pid, err := strconv.ParseInt(strings.TrimSpace(string(buf[:n])), 10, 32)
	if err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(", pid %d", pid)
}

// Held says whether a live task has the directory. It asks the kernel's list: to try the
// lock would keep a task that begins at this moment from having it.
func Held(dir string) bool {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(dir, lockName), &st); err != nil {
		return false
	}
	locks, err := os.ReadFile("/proc/locks")
	return err == nil && locked(string(locks), st.Dev, st.Ino)
}

// locked looks a file up in the text of /proc/locks. An inode's number alone would be that
// of a file on every file system.
func locked(locks string, dev, inode uint64) bool {
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), inode)
	for line := range strings.Lines(locks) {
		// 1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF
		f := strings.Fields(line)
		if len(f) > 5 && f[1] == "FLOCK" && f[5] == want {
			return true
		}
	}
	return false
}

// Path is the path of a file in the directory, for children that open it themselves.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Close gives the directory up; its files stay for `why`.
func (d *Dir) Close() error {
	err := d.fd.Close()
	if d.lock != nil {
		err = errors.Join(d.lock.Close(), err)
	}
	return err
}
