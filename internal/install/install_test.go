package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// alone fails when something besides the program is left in dir.
func alone(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != strings.Join(want, " ") {
		t.Errorf("in the directory: %s; want %v", got, want)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// A missing directory is made; the same program is left alone, an incomplete mode is not.
func TestInto(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path, err := Into(dir)
	if err != nil || path != filepath.Join(dir, Name) {
		t.Fatalf("%s, %v", path, err)
	}
	same, err := equal(path, self)
	if err != nil || !same {
		t.Errorf("it is another program: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	first := inode(t, path)
	if _, err := Into(dir); err != nil || inode(t, path) != first {
		t.Errorf("the same program was replaced, %v", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Into(dir); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	alone(t, dir, Name)
}

// What is there and is no meshtask stays as it is.
func TestSomethingElse(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755) },
		"a program": func(path string) error {
			text, err := os.ReadFile("/bin/sh")
			if err != nil {
				return err
			}
			return os.WriteFile(path, text, 0o755)
		},
		"a directory":  func(path string) error { return os.Mkdir(path, 0o755) },
		"a link":       func(path string) error { return os.Symlink("/bin/true", path) },
		"a dead link":  func(path string) error { return os.Symlink("nowhere", path) },
		"a named pipe": func(path string) error { return unix.Mkfifo(path, 0o644) },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, Name)
		if err := put(path); err != nil {
			t.Fatal(name, err)
		}
		before := inodeOf(path)
		if _, err := Into(dir); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", name, err)
		}
		if inodeOf(path) != before {
			t.Errorf("%s was replaced", name)
		}
		alone(t, dir, Name)
	}
}

// inodeOf is that of the path itself, not of what a link leads to.
func inodeOf(path string) uint64 {
	var st unix.Stat_t
	_ = unix.Lstat(path, &st) // 0: it is not there
	return st.Ino
}

// A directory that cannot be made, or written, is said, and nothing is left.
func TestNoPlace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Into(filepath.Join(file, "x")); err == nil {
		t.Error("a directory in a file was made")
	}
	if _, err := Into("/proc"); err == nil {
		t.Error("there is a meshtask in /proc")
	}
	alone(t, dir, "file")
}

// A volume of ECS is root's: another user is told which user to give the container.
func TestAnotherUsersPlace(t *testing.T) {
	err := writable("/mesh", &os.PathError{Op: "open", Path: "/mesh/x", Err: unix.EACCES})
	if got := err.Error(); !strings.Contains(got, "may not write to /mesh (open /mesh/x: permission denied)") || !strings.Contains(got, `"user": "0"`) {
		t.Error(got)
	}
	if err := writable("/mesh", unix.ENOSPC); !errors.Is(err, unix.ENOSPC) || err.Error() != unix.ENOSPC.Error() {
		t.Error(err)
	}
}
