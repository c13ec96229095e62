package statedir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Write replaces the file name by data as a whole, mode 0600: a reader sees the old content
// or the new one, and what the name was before, a link for instance, is not followed.
func (d *Dir) Write(name string, data []byte) error {
	if err := plain(name); err != nil {
		return err
	}
	temp := "." + name + "." + rand.Text()
	f, err := d.open(temp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		if err = unix.Renameat(d.at(), temp, d.at(), name); err != nil {
			err = &os.PathError{Op: "rename", Path: d.Path(name), Err: err}
		}
	}
	if err != nil {
		_ = unix.Unlinkat(d.at(), temp, 0)
	}
	return err
}

// Create begins the file name anew, mode 0600. What was there before is not followed and not
// truncated: it is another file.
func (d *Dir) Create(name string) (*os.File, error) {
	if err := d.Remove(name); err != nil {
		return nil, err
	}
	return d.open(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
}

// Remove removes the file name; one that is not there is no error.
func (d *Dir) Remove(name string) error {
	if err := plain(name); err != nil {
		return err
	}
	if err := unix.Unlinkat(d.at(), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: d.Path(name), Err: err}
	}
	return nil
}

// Sub makes the directory name, for a child of ours that keeps files in it, and checks what an
// earlier life has left there: everything is ours, and nothing a link.
func (d *Dir) Sub(name string) error {
	if err := plain(name); err != nil {
		return err
	}
	path := d.Path(name)
	if err := unix.Mkdirat(d.at(), name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	// d is 0700, so that nobody else can change its tree from here on; each directory in it is
	// closed likewise before it is read.
	return filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if err := ours(path, info); err != nil {
			return err
		}
		if path == d.Path(name) && !e.IsDir() {
			return &os.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
		}
		if e.IsDir() && info.Mode().Perm()&0o077 != 0 {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
}

func (d *Dir) at() int { return int(d.fd.Fd()) }

// open opens a regular file of the directory that is ours and has no other name.
func (d *Dir) open(name string, flags int) (*os.File, error) {
	if err := plain(name); err != nil {
		return nil, err
	}
	path := d.Path(name)
	fd, err := unix.Openat(d.at(), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600) // a fifo would block
	if errors.Is(err, unix.ELOOP) {
		return nil, &StrangeError{path, "is a symbolic link: remove it"}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &StrangeError{path, fmt.Sprintf("is no regular file (%v): remove it", info.Mode().Type())}
	}
	if err == nil {
		err = ours(path, info)
	}
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ours is nil for what belongs to us, is no link, and has no other name.
func ours(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return &StrangeError{path, "has no owner"}
	case info.Mode().Type() == fs.ModeSymlink:
		return &StrangeError{path, "is a symbolic link: remove it"}
	case int(st.Uid) != os.Geteuid():
		return &StrangeError{path, fmt.Sprintf("belongs to uid %d, and we run as uid %d: remove it", st.Uid, os.Geteuid())}
	case !info.IsDir() && st.Nlink > 1:
		return &StrangeError{path, fmt.Sprintf("is a hard link (%d names): remove it", st.Nlink)}
	}
	return nil
}

// plain refuses a name that would leave the directory.
func plain(name string) error {
	if name == "" || name == "." || name == ".." || filepath.Base(name) != name {
		return &os.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return nil
}
