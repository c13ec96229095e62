package task

import (
	"fmt"
	"net/http"

	"github.com/oklog/run"

	"meshtask/internal/admin"
	"meshtask/internal/event"
)

// listen binds what the task serves, before anything starts, and has the group serve it.
func (t *task) listen(g *run.Group, src *source, paths map[string]http.Handler) error {
	var bound []*admin.Server
	serve := func(what string, s *admin.Server, err error) error {
		if err != nil {
			for _, s := range bound {
				s.Close()
			}
			return event.Because(event.AdminAddressTaken, err)
		}
		bound = append(bound, s)
		g.Add(beside(s.Serve, s.Close, func(err error) {
			t.cancel(event.Because(event.Internal, fmt.Errorf("the %s interface ended: %w", what, err)))
		}))
		return nil
	}
	if t.d.Dir != nil {
		s, err := admin.Listen(t.d.Dir.Path(admin.Socket), t.plan.Admin, src, paths)
		if err := serve("admin", s, err); err != nil {
			return err
		}
	}
	if t.plan.Metrics != "" {
		s, err := admin.ListenMetrics(t.plan.Metrics, src.Metrics)
		return serve("metrics", s, err)
	}
	return nil
}

// beside is an actor that serves the task for as long as that runs. One that breaks says so
// and stays until it is interrupted: the group ends with its first actor, and the shutdown
// that follows still needs the signal relay.
func beside(serve func() error, stop func(), broke func(error)) (execute func() error, interrupt func(error)) {
	over := make(chan struct{})
	return func() error {
		err := serve()
		select {
		case <-over:
		default:
			broke(err)
			<-over
		}
		return nil
	}, func(error) { close(over); stop() }
}
