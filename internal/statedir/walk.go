package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// StrangeError says that somebody else could change what is at Path.
type StrangeError struct{ Path, Why string }

func (e *StrangeError) Error() string { return e.Path + " " + e.Why }

// maxLinks is the kernel's own bound on the symbolic links of one path.
const maxLinks = 40

// walk is a way from / to a directory, one component after another. Each step is relative
// to the descriptor of the one before, so that nobody can change the way under it.
type walk struct {
	at    int    // O_PATH descriptor of where we are
	where string // its path, for messages
	host  uint32 // owner of /: root, or what a user namespace shows for it
	links int
}

// openDir opens the directory at path, an absolute one, and makes what is missing of it,
// 0700. Every directory on the way belongs to root or to us, and nobody else may put another
// one in its place. The last component is never a symbolic link; its own owner and mode are
// the caller's to check.
func openDir(path string) (*os.File, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/", Err: err}
	}
	w := &walk{at: fd, where: "/"}
	defer func() { _ = unix.Close(w.at) }()
	st, err := w.stat(w.at)
	if err != nil {
		return nil, err
	}
	w.host = st.Uid
	for left := parts(path); len(left) > 0; {
		if left, err = w.step(left); err != nil {
			return nil, err
		}
	}
	fd, err = unix.Openat(w.at, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// step goes into the first of left, or puts a link's target in its place.
func (w *walk) step(left []string) ([]string, error) {
	parent, err := w.stat(w.at)
	if err == nil {
		err = w.safe(w.where, parent)
	}
	if err != nil {
		return nil, err
	}
	name, path := left[0], filepath.Join(w.where, left[0])
	fd, err := w.enter(name, path)
	if err != nil {
		return nil, err
	}
	st, err := w.stat(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		_ = unix.Close(w.at)
		w.at, w.where = fd, path
		return left[1:], nil
	case unix.S_IFLNK:
		defer unix.Close(fd)
		return w.follow(fd, path, st, left[1:])
	}
	_ = unix.Close(fd)
	return nil, &os.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
}

func (w *walk) enter(name, path string) (int, error) {
	const flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(w.at, name, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		if err = unix.Mkdirat(w.at, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return 0, &os.PathError{Op: "mkdir", Path: path, Err: err}
		}
		fd, err = unix.Openat(w.at, name, flags, 0)
	}
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// follow goes on with the target of a link, which must be root's or ours: another user's
// would lead us where that user likes, for instance into a directory that is ours.
func (w *walk) follow(fd int, path string, st *unix.Stat_t, left []string) ([]string, error) {
	if len(left) == 0 {
		return nil, &StrangeError{path, "is a symbolic link"}
	}
	if !w.trusted(st.Uid) {
		return nil, &StrangeError{path, fmt.Sprintf("is a symbolic link of uid %d", st.Uid)}
	}
	if w.links++; w.links > maxLinks {
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.ELOOP}
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return nil, &os.PathError{Op: "readlink", Path: path, Err: err}
	}
	target := string(buf[:n])
	if filepath.IsAbs(target) {
		root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: "/", Err: err}
		}
		_ = unix.Close(w.at)
		w.at, w.where = root, "/"
	}
	return append(parts(target), left...), nil
}

func (w *walk) stat(fd int) (*unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: w.where, Err: err}
	}
	return &st, nil
}

// trusted holds for root, for the owner of /, who can do anything below it, and for us.
func (w *walk) trusted(uid uint32) bool {
	return uid == 0 || uid == w.host || uid == uint32(os.Geteuid())
}

// safe is nil when nobody else may replace a file of ours in the directory.
func (w *walk) safe(path string, st *unix.Stat_t) error {
	switch group := st.Mode&0o020 != 0 && !ownGroup(st.Gid); {
	case !w.trusted(st.Uid):
		return &StrangeError{path, fmt.Sprintf("belongs to uid %d, and we run as uid %d", st.Uid, os.Geteuid())}
	case st.Mode&unix.S_ISVTX != 0: // only a file's owner may replace it
	case st.Mode&0o002 != 0:
		return &StrangeError{path, fmt.Sprintf("may be written to by everybody (mode %04o, not sticky)", st.Mode&0o7777)}
	case group:
		return &StrangeError{path, fmt.Sprintf("may be written to by group %d (mode %04o, not sticky)", st.Gid, st.Mode&0o7777)}
	}
	return nil
}

// ownGroup holds for root's group, and for one that is ours alone by the custom of giving
// it the number of its user.
func ownGroup(gid uint32) bool {
	return gid == 0 || int(gid) == os.Getegid() && os.Getegid() == os.Geteuid()
}

// parts are the components of a path. The kernel, not we, resolves "..": what it leads to
// depends on the links before it.
func parts(path string) []string {
	var out []string
	for p := range strings.SplitSeq(path, "/") {
		if p != "" && p != "." {
			out = append(out, p)
		}
	}
	return out
}
