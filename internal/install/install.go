// Package install puts this very program into a directory, for containers that share it: their
// images need not hold it.
package install

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Name is the program's name in the directory.
const Name = "meshtask"

// own is the package of the program, as its build information has it.
const own = "meshtask/cmd/meshtask"

// self is the file that this process runs, also where its path has gone.
const self = "/proc/self/exe"

// Into copies the program to Name in dir, with mode 0755, and returns its path. A missing dir is
// made. The file is there whole or not at all: it is renamed into its place. A meshtask of
// another version is replaced, the same one is left as it is, and anything else is refused. So
// is a place from which the kernel would not execute it.
func Into(dir string) (path string, err error) {
	path = filepath.Join(dir, Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", writable(dir, err)
	}
	same, err := occupied(path)
	if err != nil {
		return "", err
	}
	if same {
		return path, executable(path, dir)
	}
	temp, err := copied(dir)
	if temp != "" {
		defer os.Remove(temp) // gone once it has been renamed
	}
	if err != nil {
		return "", writable(dir, err)
	}
	if err := executable(temp, dir); err != nil {
		return "", err
	}
	return path, os.Rename(temp, path)
}

// writable says what to write in the task definition where dir cannot be written to.
func writable(dir string, err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s cannot be written to (%w): mount a volume there in this container, without \"readOnly\": true; the app containers may have it read-only", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("user %d may not write to %s (%w): give this container \"user\": \"0\", as ECS makes a volume root's", os.Getuid(), dir, err)
	}
	return err
}

// occupied says whether path is this very program already; an error is what stands there and
// is none.
func occupied(path string) (same bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is no file: remove it, or name another directory", path)
	}
	if same, err = equal(path, self); err != nil || same {
		return same && info.Mode().Perm() == 0o755, err
	}
	if built, err := buildinfo.ReadFile(path); err != nil || built.Path != own {
		return false, fmt.Errorf("%s is there and is no meshtask: remove it, or name another directory", path)
	}
	return false, nil
}

// equal compares two files.
func equal(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	const block = 1 << 16
	p, q := make([]byte, block), make([]byte, block)
	for {
		n, errX := io.ReadFull(x, p)
		m, errY := io.ReadFull(y, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		for _, err := range []error{errX, errY} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if errX != nil || errY != nil {
			return true, nil
		}
	}
}

// copied is a copy of the program beside its place; the caller removes it, also after an error.
func copied(dir string) (temp string, err error) {
	from, err := os.Open(self)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := os.CreateTemp(dir, "."+Name+"-")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Chmod(0o755)
	}
	if err == nil {
		err = to.Sync()
	}
	return to.Name(), errors.Join(err, to.Close())
}

// executable says why the kernel would not execute the file. Asked for this right, it also looks
// at how the file system is mounted.
func executable(path, dir string) error {
	if err := unix.Access(path, unix.X_OK); err != nil {
		return fmt.Errorf("nothing can be executed in %s (%w): mount it without noexec, which a volume of the task does not have: a host path or a driver's option gives it", dir, err)
	}
	return nil
}
