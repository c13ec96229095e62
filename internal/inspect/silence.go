package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"meshtask/internal/admin"
	"meshtask/internal/journal"
	"meshtask/internal/printable"
	"meshtask/internal/statedir"
)

// errForeign is of a socket at which something else listens.
var errForeign = errors.New("what answers at its socket is no task of meshtask's")

// NoneError says that no task was found, and where was looked.
type NoneError struct {
	Looked string // in words
	Last   string // where the last one has left its record; "": none has
	Reason error  // instead: why the only one that could be meant does not answer
	cause  error
}

func (e *NoneError) Error() string {
	switch {
	case e.Reason != nil:
		return e.Reason.Error()
	case e.Last != "":
		return fmt.Sprintf("no task runs in %s. The last one has left its record in %s: `meshtask why` says how it ended", e.Looked, e.Last)
	}
	return fmt.Sprintf("no task runs in %s, and none has left a record there. Another directory is named by --dir or MESHTASK_DIR; of a task in a container, ask inside it", e.Looked)
}

// Unwrap is what came of asking.
func (e *NoneError) Unwrap() error { return e.cause }

// looked is where was looked, in words.
func (p Places) looked() string {
	if p.Named != "" {
		return p.Named
	}
	dirs := append([]string(nil), p.Dirs...)
	if p.Dev != "" {
		dirs = append(dirs, filepath.Join(p.Dev, "*"))
	}
	if n := len(dirs); n > 1 {
		return strings.Join(dirs[:n-1], ", ") + " or " + dirs[n-1]
	}
	return strings.Join(dirs, "")
}

// silence says why the task of a directory does not answer, and what to do instead.
func (p Places) silence(dir string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	socket := filepath.Join(dir, admin.Socket)
	held := statedir.Held(dir)
	_, recorded := os.Stat(filepath.Join(dir, journal.TimelineFile))
	_, missing := os.Stat(dir)
	switch strange, isStrange := errors.AsType[*statedir.StrangeError](err); {
	case isStrange:
		return fmt.Errorf("it is not asked: %w", strange)
	case errors.Is(err, errForeign):
		return fmt.Errorf("%s: %w", socket, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the task in %s does not answer within %v: meshtask itself hangs, or is stopped: %w", dir, limit, err)
	case held && errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the task in %s lives, and does not answer yet: it looks for its identity and its plan", dir)
	case errors.Is(err, os.ErrPermission):
		return err
	case errors.Is(missing, os.ErrNotExist):
		return fmt.Errorf("there is no directory %s: %w", dir, os.ErrNotExist)
	case (errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)) && recorded == nil && !held:
		return fmt.Errorf("the task in %s has ended; `meshtask why --dir %s` says how: %w", dir, dir, err)
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("no task has run in %s: neither a socket nor a record is in it: %w", dir, os.ErrNotExist)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s, and no record is beside it: %w", socket, syscall.ECONNREFUSED)
	}
	return fmt.Errorf("%s: %w", socket, err)
}

// SeveralError says that several tasks run, and which.
type SeveralError struct {
	found  []Found
	silent []answer[Found]
}

func (e *SeveralError) Error() string {
	return fmt.Sprintf("%d tasks run here; name one by --dir:\n%s", len(e.found)+len(e.silent), strings.Join(e.list(), "\n"))
}

// list is a line a task, safe for a terminal.
func (e *SeveralError) list() []string {
	var rows [][]string
	for _, f := range e.found {
		health := "healthy"
		if !f.Healthy {
			health = "not healthy: " + f.Reason
		}
		rows = append(rows, []string{f.Service, f.State, f.Uptime, "--dir " + f.Dir, health})
	}
	for _, s := range e.silent {
		rows = append(rows, []string{"?", "does not answer", "", "--dir " + s.dir, ""})
	}
	lines := align(rows)
	for i, line := range lines {
		lines[i] = "  " + printable.Line(line)
	}
	return lines
}
