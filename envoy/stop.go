package envoy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/signame"
	"meshtask/supervisor"
)

// finish ends Envoy, if it has not ended, and says whether that was as it should be.
func (p *Proxy) finish(ctx context.Context, child *supervisor.Child, admin *Admin, stop <-chan struct{}, startErr error) error {
	if errors.Is(startErr, errCut) {
		startErr = nil
	}
	unasked := closed(child.Done())
	if !unasked && closed(stop) && ctx.Err() == nil {
		p.quit(ctx, child, admin)
	}
	if !closed(child.Done()) {
		if stuck := child.Kill(ctx, startErr, p.c.Grace()); stuck != nil {
			return stuck
		}
	}
	child.Clear(0)
	exit := child.Exit()
	p.c.Report(event.Exit{Name: "envoy", PID: exit.PID, Status: exit.Status(), Signal: signame.Of(exit.Signal), PeakBytes: exit.MaxRSS})
	if unasked {
		said, tail := p.tail(child, ""), ""
		if exit.Signal == syscall.SIGKILL { // which leaves no time for a word
			said = ""
		}
		if said != "" {
			tail = "; its last lines: " + said
		}
		return event.Because(event.EnvoyCrashed, fmt.Errorf("envoy ended without being asked to: %w%s", &exit, tail), event.FactHow, exit.How(), event.FactSaid, said)
	}
	return startErr
}

// quit asks by the admin interface, then by TERM; KILL follows in finish. All of
// it keeps within the grace, of which TERM has a third.
func (p *Proxy) quit(ctx context.Context, child *supervisor.Child, admin *Admin) {
	grace := min(p.c.Grace(), graceDefault)
	began := time.Now()
	end := began.Add(grace)
	asking, cancel := context.WithDeadline(ctx, began.Add(grace*2/3))
	err := admin.Quit(asking)
	if err == nil {
		waitUntil(asking, child)
	}
	cancel()
	if closed(child.Done()) || ctx.Err() != nil {
		return
	}
	p.c.Log.Debug("envoy did not quit, sending it TERM", "pid", child.PID(), "error", err)
	_ = child.SignalGroup(syscall.SIGTERM)
	term, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	waitUntil(term, child)
	if !closed(child.Done()) && !child.Dying() && ctx.Err() == nil {
		p.c.Report(event.Killed{Name: "envoy", PID: child.PID(), When: fmt.Sprintf("%v after quitquitquit, which TERM did not help", time.Since(began).Round(time.Millisecond))})
	}
}

func waitUntil(ctx context.Context, child *supervisor.Child) {
	select {
	case <-child.Done():
	case <-ctx.Done():
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// tail is the end of Envoy's output: the last three lines that contain what, and that a good
// life does not have.
func (p *Proxy) tail(child *supervisor.Child, what string) string {
	var lines []string
	for _, line := range child.Tail() {
		if line != "" && strings.Contains(line, what) && !ordinary(line) {
			lines = append(lines, p.redact(line))
		}
	}
	return clip(strings.Join(lines[max(0, len(lines)-3):], " | "))
}

// ordinary says whether a line is one of those that every life has. Envoy's warnings tell why a
// listener was refused, but not why it ended.
func ordinary(line string) bool {
	for _, level := range []string{"[trace]", "[debug]", "[info]"} {
		if strings.HasPrefix(line, level) {
			return true
		}
	}
	return strings.HasPrefix(line, "[warning]") && !strings.Contains(line, " rejected: ")
}
