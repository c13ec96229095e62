package acl

import (
	"maps"
	"sync"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

// findings logs each thing that is wrong once, until it changes, and counts what
// stands.
type findings struct {
	log hclog.Logger

	mu      sync.Mutex
	skipped map[string]string          // reason by the ARN of a task that gets no token
	open    map[string]map[string]bool // reasons by subject
}

func newFindings(log hclog.Logger) *findings {
	return &findings{log: log, skipped: map[string]string{}, open: map[string]map[string]bool{}}
}

// skip notes a task that gets no token.
func (f *findings) skip(arn, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.skipped[arn] == reason {
		return
	}
	f.skipped[arn] = reason
	f.log.Info("task skipped", "task", arn, "reason", reason)
}

// replace notes what is wrong with a subject now, in place of what was.
func (f *findings) replace(subject string, found []reconcile.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.open[subject]
	if len(found) == 0 {
		delete(f.open, subject)
		return
	}
	now := map[string]bool{}
	for _, finding := range found {
		if !before[finding.Reason] && !now[finding.Reason] {
			f.log.Warn("finding", "subject", subject, "reason", finding.Reason)
		}
		now[finding.Reason] = true
	}
	f.open[subject] = now
}

// keep forgets all tasks and subjects but these, so that memory is bounded by what
// there is, and what is gone is no longer counted.
func (f *findings) keep(tasks map[string]task, subjects map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.skipped, func(arn, _ string) bool { _, ok := tasks[arn]; return !ok })
	maps.DeleteFunc(f.open, func(subject string, _ map[string]bool) bool { return !subjects[subject] })
}

// count is the number of findings that stand.
func (f *findings) count() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, reasons := range f.open {
		n += len(reasons)
	}
	return n
}
