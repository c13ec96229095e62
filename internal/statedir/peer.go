package statedir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dial connects to the unix socket name in the state directory dir of another process, when
// it is to be believed: socket and listener belong to the caller; or the caller is root, and
// socket, listener and the directory, 0700, have one owner. Another one is a *StrangeError.
func Dial(ctx context.Context, dir, name string) (net.Conn, error) {
	socket := filepath.Join(dir, name)
	info, err := os.Lstat(socket)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, &StrangeError{socket, "is no socket"}
	}
	owner, err := believed(dir, socket, info)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	// The file may have been another one by then: the listener is asked as well.
	peer, err := listener(conn.(*net.UnixConn))
	if err == nil && peer != owner {
		err = &StrangeError{socket, fmt.Sprintf("is answered by uid %d, and belongs to uid %d", peer, owner)}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Read opens the file name in the state directory dir of another process, which may have
// ended, when it is to be believed as in Dial.
func Read(dir, name string) (*os.File, error) {
	path := filepath.Join(dir, name)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, &StrangeError{path, "is a symbolic link"}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &StrangeError{path, "is no regular file"}
	}
	if err == nil {
		_, err = believed(dir, path, info)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// believed returns the owner of a file in dir, when we may believe it.
func believed(dir, path string, info fs.FileInfo) (owner uint32, err error) {
	self := uint32(os.Geteuid())
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid == self {
		return self, nil
	}
	if ok && self == 0 {
		in, err := os.Stat(dir)
		if err != nil {
			return 0, err
		}
		if above, ok := in.Sys().(*syscall.Stat_t); ok && above.Uid == st.Uid && in.Mode().Perm() == 0o700 {
			return st.Uid, nil
		}
	}
	return 0, &StrangeError{path, fmt.Sprintf("belongs to uid %d, and we run as uid %d", st.Uid, self)}
}

func listener(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if cerr != nil {
		return 0, os.NewSyscallError("getsockopt SO_PEERCRED", cerr)
	}
	return cred.Uid, nil
}
