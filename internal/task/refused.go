package task

import (
	"time"

	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/statedir"
)

// Refused records a run that had no plan, in the place of an earlier run's record: in the first
// of dirs that is ours. What cannot be recorded is lost; the caller has said it.
func Refused(dirs []string, begin time.Time, cause error, code int) {
	dir, err := statedir.Open(dirs, func(error) {})
	if err != nil {
		return
	}
	defer dir.Close()
	file, err := journal.Create(dir)
	if err != nil {
		return
	}
	book := journal.New(begin, file.Write)
	f := event.Finish{Cause: cause.Error(), Code: code}
	if c := event.CauseOf(cause); c != nil {
		f.Why, f.Facts = c.Code, c.Facts
	}
	summary := conclude(book, f)
	_ = file.Close(&summary, recordLimit)
}
