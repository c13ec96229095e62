package task

import (
	"time"

	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/statedir"
)

// Refused records a run that had no plan: in the place of an earlier run's record. What
// cannot be recorded is lost; the caller has said it.
func Refused(dir *statedir.Dir, begin time.Time, cause error, code int) {
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
