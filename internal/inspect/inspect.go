// Package inspect finds the task that a command asks about: the one that runs in one of
// several state directories, or else the record that one has left there.
//
// It knows where to ask and for how long. What a task answers is package task's, what a
// record holds is package journal's, and what is wrong with it package why's.
package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
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

// Places are the state directories in which a task may be found, in the order in which they
// are tried.
type Places struct {
	Dirs   []string
	Passed func(*statedir.StrangeError) // is told of those of a stranger that were passed over
}

// each tries the directories until one answers; the error is the first one's.
func (p Places) each(try func(dir string) error) error {
	var first error
	for _, dir := range p.Dirs {
		err := try(dir)
		if err == nil {
			return nil
		}
		if s, ok := errors.AsType[*statedir.StrangeError](err); ok && len(p.Dirs) > 1 {
			p.Passed(s)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// Health asks the first task that answers whether it is up and its app healthy, and if not,
// why. The error says that none answers.
func (p Places) Health() (ok bool, reason string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err = p.each(func(dir string) (err error) {
		ok, reason, err = admin.Health(ctx, dir)
		return err
	})
	return ok, reason, err
}

// Status asks the first task that answers for its state: a task.Status as JSON.
func (p Places) Status() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var text []byte
	err := p.each(func(dir string) (err error) {
		text, err = admin.Status(ctx, dir)
		return err
	})
	return text, err
}

// Record reads the first record that there is. Of a task that has ended it has what that said
// of itself at its end; held says that the task is still there.
func (p Places) Record() (record journal.Record, held bool, err error) {
	var readErr error
	err = p.each(func(dir string) error {
		f, err := statedir.Read(dir, journal.TimelineFile)
		if err != nil {
			return err
		}
		defer f.Close()
		record, readErr = Read(f)
		if held = statedir.Held(dir); !held {
			record.Why = said(dir)
		}
		return nil
	})
	return record, held, cmp.Or(err, readErr)
}

// Why asks the running task what is wrong. Where none answers, what it said at its end counts,
// else its record.
func (p Places) Why() (state.Why, error) {
	text, err := p.Status()
	if err == nil {
		var s task.Status
		err := json.Unmarshal(text, &s)
		return s.Why, err
	}
	var silent string
	if errors.Is(err, context.DeadlineExceeded) {
		silent = err.Error()
	}
	record, held, err := p.Record()
	if err != nil {
		return state.Why{}, err
	}
	f := why.Facts{Silent: silent}
	if held { // it answers no sooner than it knows who it is
		f.Phase, record.Why = "STARTING", nil
	}
	return explain(record, f), nil
}

// Read reads a record, from a timeline or a log. One without a line of a task is an error.
func Read(r io.Reader) (journal.Record, error) {
	record, err := journal.Read(r)
	if err == nil && len(record.Entries) == 0 {
		err = errors.New("no line of a task is in it, of its timeline or its log")
		if note := record.Note(); note != "" {
			err = fmt.Errorf("%w; %s", err, strings.TrimSuffix(note, "."))
		}
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
