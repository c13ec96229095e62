package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"meshtask/internal/event"
)

// LookError says that a command cannot be found or executed.
type LookError struct {
	Name string // as it was asked for
	Path string // the PATH that was searched; "" when Name has a slash
	Dir  string // in which a relative Name was looked for; "" is ours
	Err  error
}

func (e *LookError) Error() string {
	if e.Dir != "" {
		return fmt.Sprintf("%s: %v (in %s)", e.Name, e.Err, e.Dir)
	}
	if e.Path == "" {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s: %v (PATH is %s)", e.Name, e.Err, e.Path)
}

func (e *LookError) Unwrap() error { return e.Err }

// Code is why: not found, or not executable.
func (e *LookError) Code() event.Code { return code(e.Err) }

// Look finds the executable that a shell would run for name: name itself when it has a
// slash, else the first match in path, a list of directories separated by colons. The
// error is a *LookError.
func Look(name, path string) (string, error) { return LookIn("", name, path) }

// LookIn is Look for a process that runs in dir, "" is ours: what is relative, the name
// or an element of path, is looked up there, and is returned as that process executes it.
func LookIn(dir, name, path string) (string, error) {
	executable := func(file string) error {
		if dir != "" && !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return executable(file)
	}
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			e := &LookError{Name: name, Err: err}
			if !filepath.IsAbs(name) {
				e.Dir = dir
			}
			return "", e
		}
		return name, nil
	}
	miss := fs.ErrNotExist
	for _, dir := range filepath.SplitList(path) {
		if name == "" {
			break
		}
		file := filepath.Join(dir, name)
		if !strings.Contains(file, "/") {
			file = "./" + file // an empty element is the working directory
		}
		switch err := executable(file); {
		case err == nil:
			return file, nil
		case errors.Is(err, fs.ErrPermission):
			miss = fmt.Errorf("%s: %w", file, err)
		}
	}
	if path == "" {
		path = "empty"
	}
	return "", &LookError{Name: name, Path: path, Err: miss}
}

var errDirectory = fmt.Errorf("it is a directory: %w", fs.ErrPermission)

func executable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			return pe.Err
		}
		return err
	}
	if info.IsDir() {
		return errDirectory
	}
	if err := unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("it is not executable: %w", err)
	}
	return nil
}

// StartError says that a process could not be started.
type StartError struct {
	Name string // label of the child
	Path string // what was to be executed
	Err  error
}

func (e *StartError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("start %s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("start %s: %s: %v", e.Name, e.Path, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }

// Code is why: an event.Code with the exit code of a shell.
func (e *StartError) Code() event.Code { return code(e.Err) }

func code(err error) event.Code {
	if c := event.CauseOf(err); c != nil {
		return c.Code
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return event.CommandNotFound
	}
	return event.CommandNotExecutable
}

// startError puts into words what the kernel says with one number.
func startError(spec *Spec, err error) error {
	e := &StartError{Name: spec.Name, Path: spec.Path, Err: err}
	if spec.Dir != "" {
		if info, derr := os.Stat(spec.Dir); derr != nil {
			e.Err = event.Because(event.CommandDirectory, fmt.Errorf("the working directory: %w", derr), "directory", spec.Dir)
			return e
		} else if !info.IsDir() {
			e.Err = event.Because(event.CommandDirectory, fmt.Errorf("the working directory %s is not a directory", spec.Dir), "directory", spec.Dir)
			return e
		}
	}
	file := e.Path
	if spec.Dir != "" && !filepath.IsAbs(file) {
		file = filepath.Join(spec.Dir, file)
	}
	info, serr := os.Stat(file)
	switch {
	case serr != nil:
	case errors.Is(err, syscall.ENOENT):
		e.Err = event.Because(event.CommandInterpreter,
			fmt.Errorf("it exists, but its interpreter does not (#! line, or the ELF loader of another C library): %w", err), "path", e.Path)
	case errors.Is(err, syscall.EACCES) && info.IsDir():
		e.Err = errDirectory
	case errors.Is(err, syscall.ENOEXEC):
		e.Err = event.Because(event.CommandMachine, fmt.Errorf("it is no program for this machine, and has no #! line: %w", err), "path", e.Path)
	case errors.Is(err, syscall.EPERM) && spec.User != nil:
		e.Err = event.Because(event.CommandUser, fmt.Errorf("cannot become user %s: %w", spec.User, err), "user", spec.User.String())
	}
	return e
}
