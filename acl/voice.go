package acl

import (
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

// forget drops the tasks that keep does not hold, so that memory is bounded by
// the tasks that there are.
func (v *voice) forget(keep map[string]task) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for arn := range v.tasks {
		if _, ok := keep[arn]; !ok {
			delete(v.tasks, arn)
		}
	}
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
