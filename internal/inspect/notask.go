package inspect

import (
	"errors"
	"fmt"
	"strings"

	"meshtask/internal/journal"
)

// noTask is the error of a file without a line of a task.
func noTask(r journal.Record) error {
	switch {
	case r.Lines == 0:
		return errors.New("it is empty: give it a task's log, or its " + journal.TimelineFile)
	case r.Unused > 0:
		return fmt.Errorf("no line of a task is in it, of its timeline or its log (%d lines read; %s)", r.Lines, strings.TrimSuffix(r.Note(), "."))
	}
	return fmt.Errorf("no line of a task is in it, of its timeline or its log (%d lines read): is it the log of the container that runs meshtask?", r.Lines)
}
