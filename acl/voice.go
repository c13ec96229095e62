package acl

import (
	"maps"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// voice names each thing that is wrong once, until it changes.
type voice struct {
	log hclog.Logger

	mu     sync.Mutex
	tasks  map[string]string          // reason by ARN
	spoken map[string]map[string]bool // reasons by subject
}

func newVoice(log hclog.Logger) *voice {
	return &voice{log: log, tasks: map[string]string{}, spoken: map[string]map[string]bool{}}
}

// skipped names a task that gets no token.
func (v *voice) skipped(arn, reason string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tasks[arn] == reason {
		return
	}
	v.tasks[arn] = reason
	v.log.Info("task skipped", "task", arn, "reason", reason)
}

// forget keeps only these tasks and subjects, so that memory is bounded by what
// there is, and what is gone is no longer counted.
func (v *voice) forget(tasks map[string]task, subjects map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.tasks, func(arn, _ string) bool { _, ok := tasks[arn]; return !ok })
	maps.DeleteFunc(v.spoken, func(subject string, _ map[string]bool) bool { return !subjects[subject] })
}

// found names those of a subject's findings that were not there when it was
// last looked at.
func (v *voice) found(subject string, findings []Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.spoken[subject]
	if len(findings) == 0 {
		delete(v.spoken, subject)
		return
	}
	now := map[string]bool{}
	for _, f := range findings {
		if !before[f.Reason] && !now[f.Reason] {
			v.log.Warn("cannot be mended", "subject", subject, "reason", f.Reason)
		}
		now[f.Reason] = true
	}
	v.spoken[subject] = now
}

// open is the number of findings that stand.
func (v *voice) open() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, reasons := range v.spoken {
		n += len(reasons)
	}
	return n
}
