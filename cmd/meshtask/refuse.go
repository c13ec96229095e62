package main

import (
	"fmt"

	"meshtask/internal/config"
	"meshtask/internal/journal"
	"meshtask/internal/statedir"
	"meshtask/internal/why"
	"meshtask/lifecycle"
)

// refuse ends a run that has started nothing: one line, and the record of it.
func (t *task) refuse(err error) int {
	code := ending{cause: lifecycle.Cause{Err: err}}.code()
	if t.book != nil {
		t.book.Add(journal.Task, journal.Exit, err.Error(), "code", code)
		t.summary.Why = whyOf(t.book.Entries())
		t.closeRecord()
	}
	return t.w.fail(code, "%v", err)
}

// refuse ends a run whose configuration is no good, so that there is no task: one line, and
// the record of it in the place of an earlier life's, where a run would have one.
func (w *world) refuse(mode config.Mode, c call, code int, format string, args ...any) int {
	text := fmt.Sprintf(format, args...)
	given := w.flag(c, "dir")
	if mode.Mesh() || given != "" {
		_ = w.record(given, code, text) // without a directory of our own there is nothing to record in
	}
	return w.fail(code, "%s", text)
}

func (w *world) record(given string, code int, text string) error {
	dir, err := statedir.Open(statedir.Candidates(given, w.getenv("TMPDIR")), func(error) {})
	if err != nil {
		return err
	}
	defer dir.Close()
	file, err := journal.Create(dir)
	if err != nil {
		return err
	}
	summary := journal.NewSummary()
	book := journal.New(w.begin, nil, summary.Add, file.Write)
	book.Add(journal.Task, journal.Exit, text, "code", code)
	summary.Why = whyOf(book.Entries())
	return file.Close(summary, flushLimit)
}

// whyOf is the one cause of an end, by its record.
func whyOf(entries []journal.Entry) *journal.Why {
	a := why.Explain(why.Facts{Entries: entries})
	return &journal.Why{Code: a.Rule, Cause: a.Cause, Fix: a.Fix}
}
