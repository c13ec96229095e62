// Package inspect finds the task that a command asks about: the one that runs in one of
// several state directories, or else the record that one has left there.
//
// It knows where to ask, for how long, and what to say where nobody answers. What a task
// answers is package task's, what a record holds is package journal's, and what is wrong with
// it package why's.
package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"meshtask/internal/admin"
	"meshtask/internal/journal"
	"meshtask/internal/state"
	"meshtask/internal/statedir"
	"meshtask/internal/task"
	"meshtask/internal/why"
)

// limit bounds what asking takes, all directories together: a wedged task is an answer too
// (CONTRACT §1).
const limit = 1800 * time.Millisecond

// Places are the state directories in which a task may be found.
type Places struct {
	Named  string                       // the one that the user has named; "": none
	Dirs   []string                     // else those of `run`, of which the first that lives counts,
	Dev    string                       // and all that are in this directory of `dev`'s
	Passed func(*statedir.StrangeError) // is told of those of a stranger that were passed over
}

// all are the directories, those of `dev` last.
func (p Places) all() []string {
	if p.Named != "" {
		return []string{p.Named}
	}
	return append(append([]string(nil), p.Dirs...), p.devs()...)
}

func (p Places) devs() []string {
	if p.Dev == "" {
		return nil
	}
	in, err := os.ReadDir(p.Dev) // sorted
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range in {
		if e.IsDir() {
			out = append(out, filepath.Join(p.Dev, e.Name()))
		}
	}
	return out
}

// answer is what came of asking in one directory.
type answer[T any] struct {
	dir   string
	value T
	err   error
}

// ask asks in all of dirs at once, and returns the answers in the order of dirs.
func ask[T any](dirs []string, question func(ctx context.Context, dir string) (T, error)) []answer[T] {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out := make([]answer[T], len(dirs))
	var group sync.WaitGroup
	for i, dir := range dirs {
		group.Go(func() {
			value, err := question(ctx, dir)
			out[i] = answer[T]{dir, value, err}
		})
	}
	group.Wait()
	return out
}

// Health asks the task whether it is up and its app healthy, and if not, why. A task of `run`
// counts before those of `dev`. The error says that none answers, or several do.
func (p Places) Health() (ok bool, reason string, err error) {
	type health struct {
		ok     bool
		reason string
	}
	question := func(ctx context.Context, dir string) (health, error) {
		ok, reason, err := admin.Health(ctx, dir)
		return health{ok, reason}, err
	}
	run := p
	run.Dev = ""
	for _, a := range ask(run.all(), question) {
		if a.err == nil {
			return a.value.ok, a.value.reason, nil
		}
		p.strange(a.err)
		err = cmp.Or(err, p.silence(a.dir, a.err))
	}
	if p.Named != "" {
		return false, "", err
	}
	found, err := p.Status() // it says more of none, and of several
	if err != nil {
		return false, "", err
	}
	return found.Healthy, found.Reason, nil
}

// Found is a task that runs, and what it says of itself.
type Found struct {
	Dir  string
	Text []byte // the status as it came, JSON
	task.Status
}

// Status asks the one task that runs for its state. Several are a *SeveralError, none that
// answers is a *NoneError.
func (p Places) Status() (Found, error) {
	found, silent := p.running()
	switch {
	case len(found) == 1 && len(silent) == 0:
		return found[0], nil
	case len(found)+len(silent) > 1:
		return Found{}, &SeveralError{found, silent}
	}
	if len(silent) == 1 {
		return Found{}, &NoneError{Reason: p.silence(silent[0].dir, silent[0].err), cause: silent[0].err}
	}
	last, _ := p.last() // none is fine
	return Found{}, &NoneError{Looked: p.looked(), Last: last}
}

// running are the tasks that answer, and those that live and do not. Of the directories of
// `run` the first alone counts.
func (p Places) running() (found []Found, silent []answer[Found]) {
	devs := len(p.Dirs) // from where on they are dev's
	if p.Named != "" {
		devs = 0
	}
	ran := false
	for i, a := range ask(p.all(), status) {
		strange := p.strange(a.err)
		gone := a.err != nil && p.Named == "" && (strange || !statedir.Held(a.dir))
		if gone || i < devs && ran {
			continue
		}
		ran = ran || i < devs
		if a.err == nil {
			found = append(found, a.value)
		} else {
			silent = append(silent, a)
		}
	}
	return found, silent
}

func status(ctx context.Context, dir string) (Found, error) {
	f := Found{Dir: dir}
	var err error
	if f.Text, err = admin.Status(ctx, dir); err != nil {
		return f, err
	}
	if json.Unmarshal(f.Text, &f.Status) != nil || f.State == "" {
		return f, errForeign
	}
	return f, nil
}

// Scrape asks the one task that runs for its metrics, as Prometheus' text; Envoy's and the agent's
// stand beside its own.
func (p Places) Scrape() ([]byte, error) {
	found, err := p.Status()
	if err != nil {
		return nil, err
	}
	a := ask([]string{found.Dir}, admin.Scrape)[0]
	return a.value, a.err
}

// strange says whether a directory is a stranger's, and tells of it where it is passed over.
func (p Places) strange(err error) bool {
	s, ok := errors.AsType[*statedir.StrangeError](err)
	if ok && p.Named == "" {
		p.Passed(s)
	}
	return ok
}

// Trace is a record that a task has left in its directory.
type Trace struct {
	Dir string
	journal.Record
	Held bool // the task is still there
}

// Record reads the record of the task that runs, else of the one that has written last. Of a
// task that has ended it has what that said of itself at its end.
func (p Places) Record() (Trace, error) {
	last, held := p.last()
	switch {
	case last == "" && p.Named == "":
		return Trace{}, &NoneError{Looked: p.looked()}
	case last == "":
		_, err := statedir.Read(p.Named, journal.TimelineFile)
		return Trace{}, p.silence(p.Named, err)
	case held > 1:
		found, silent := p.running()
		return Trace{}, &SeveralError{found, silent}
	}
	return trace(last)
}

// last is the directory of the record that counts, and of how many the task lives.
func (p Places) last() (dir string, held int) {
	var at time.Time
	for _, d := range p.all() {
		f, err := statedir.Read(d, journal.TimelineFile)
		if err != nil {
			p.strange(err)
			continue
		}
		info, err := f.Stat()
		_ = f.Close() // it was only looked at
		if err != nil {
			continue
		}
		lives := statedir.Held(d)
		if lives {
			held++
		}
		if lives && held == 1 || held == 0 && (dir == "" || info.ModTime().After(at)) {
			dir, at = d, info.ModTime()
		}
	}
	return dir, held
}

func trace(dir string) (Trace, error) {
	t := Trace{Dir: dir}
	f, err := statedir.Read(dir, journal.TimelineFile)
	if err != nil {
		return t, err
	}
	defer f.Close()
	t.Record, err = Read(f)
	if t.Held = statedir.Held(dir); !t.Held {
		t.Why = said(dir)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Join(dir, journal.TimelineFile), err)
	}
	return t, err
}

// Why asks the running task what is wrong. Where none answers, what it said at its end counts,
// else its record. dir is where it was found.
func (p Places) Why() (answer state.Why, dir string, err error) {
	found, err := p.Status()
	if err == nil {
		return found.Why, found.Dir, nil
	}
	if _, several := errors.AsType[*SeveralError](err); several {
		return state.Why{}, "", err
	}
	var silent string
	if errors.Is(err, context.DeadlineExceeded) {
		silent = err.Error()
	}
	t, rerr := p.Record()
	if rerr != nil {
		return state.Why{}, "", rerr
	}
	f := why.Facts{Silent: silent}
	if t.Held { // it answers no sooner than it knows who it is
		f.Phase, t.Record.Why = "STARTING", nil
	}
	return explain(t.Record, f), t.Dir, nil
}

// Read reads a record, from a timeline or a log. One without a line of a task is an error.
func Read(r io.Reader) (journal.Record, error) {
	record, err := journal.Read(r)
	if err == nil && len(record.Entries) == 0 {
		err = noTask(record)
	}
	return record, err
}

// File is Read for a file that is named, or for stdin where its name is -; the error says which.
func File(name string, stdin io.Reader) (journal.Record, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return journal.Record{}, err
		}
		defer f.Close()
		in = f
	} else {
		name = "standard input"
	}
	record, err := Read(in)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return record, err
}

// Explain says what is wrong with the task of a record, or why it ended.
func Explain(record journal.Record) state.Why { return explain(record, why.Facts{}) }

func explain(record journal.Record, f why.Facts) state.Why {
	if said := record.Why; said != nil {
		said.Note = record.Note()
		return *said
	}
	f.State, f.Note, f.At = state.Of(record.Entries), record.Note(), time.Now()
	return why.Explain(f)
}

// said is what a task that is gone said of itself at its end; nil: nothing.
func said(dir string) *state.Why {
	f, err := statedir.Read(dir, journal.SummaryFile)
	if err != nil {
		return nil
	}
	defer f.Close()
	var s state.Summary
	if json.NewDecoder(f).Decode(&s) != nil {
		return nil
	}
	return s.Why
}
