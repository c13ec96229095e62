package task

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/lifecycle"
)

// sayUp is the sink that says in a sentence, once, that the task serves.
func (t *task) sayUp(e event.Entry) {
	p := t.plan
	if l, ok := e.Event.(event.Listener); ok {
		t.listens = l.Address
	}
	if t.saidUp || p == nil || !p.Kind.HasMesh() || e.Way != event.Up {
		return
	}
	serves := p.Kind == plan.Mesh && p.App != nil // else nothing comes behind T2
	_, passing := e.Event.(event.Passing)
	mark, ok := e.Event.(event.Mark)
	if up := ok && mark.Name == lifecycle.T2.String(); !passing && (serves || !up) {
		return
	}
	t.saidUp = true
	if p.IsGateway() {
		kind := strings.ReplaceAll(string(p.Service.Gateway.Kind), "-", " ")
		t.d.Log.Info(fmt.Sprintf("%s %s is up after %.2f s: Envoy on %s", strings.Replace(kind, "api", "API", 1), p.Service.Name, e.Ms/1000, t.listens))
		return
	}
	from := ""
	if p.Service.Port != 0 {
		from = net.JoinHostPort(cmp.Or(p.Service.Proxy.LocalServiceAddress, "127.0.0.1"), strconv.Itoa(p.Service.Port)) + " "
	}
	t.d.Log.Info(fmt.Sprintf("%s is up after %.2f s: %sthrough Envoy on %s, %s", p.Service.Name, e.Ms/1000, from, p.Envoy.Listen, count(len(p.Service.Proxy.Upstreams), "upstream")))
}

// count is a number of things, in words that fit it.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// sentence is how the life ended, for a person.
func (t *task) sentence(s state.Summary) string {
	why := s.Why
	switch {
	case why == nil:
		return fmt.Sprintf("the task ended with exit %d", s.Exit)
	case why.Code != event.OK:
		return why.State + " " + why.Cause
	}
	var took time.Duration
	t.book.Read(func(now *state.State) {
		if now.Stopping {
			took = now.EndAt.Sub(now.StopAt)
		}
	})
	text := fmt.Sprintf("stopped cleanly in %.1f s, exit %d", took.Seconds(), s.Exit)
	if t.plan != nil && t.plan.Kind.HasMesh() && t.plan.Inbound.Drain {
		text += fmt.Sprintf(": %d in flight were drained, %d cut", s.Drain.Start-s.Drain.End, s.Drain.End)
	}
	return text
}
