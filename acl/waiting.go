package acl

import (
	"errors"
	"strings"

	"meshtask/internal/event"
)

// What to do about a service that does not answer, or refuses.
const (
	consulHint = "Check CONSUL_HTTP_ADDR, CONSUL_CACERT_PEM, CONSUL_HTTP_TOKEN and the network's way to the Consul servers"
	ecsHint    = "Check AWS_REGION, the cluster's name, the task role and the network's way to the ECS API"
)

// lookError is a failure without which the rest of a sweep is worth nothing.
type lookError struct {
	of, doing string // such as "Consul", "list the tokens"
	err       error
}

func (e *lookError) Error() string { return e.doing + ": " + e.err.Error() }
func (e *lookError) Unwrap() error { return e.err }

// waitFor tells what the sweep that failed with err waits for.
func (c *Controller) waitFor(err error) {
	var of, hints []string
	add := func(service, hint string) {
		of, hints = append(of, service), append(hints, hint)
	}
	for _, e := range lookErrors(err) {
		hint := consulHint
		if e.of == "ECS" {
			hint = ecsHint
		}
		if refused, ok := errors.AsType[*denied](e); ok {
			hint = "Grant " + refused.needs
		}
		add(e.of, hint)
	}
	if len(of) > 0 {
		c.cfg.Report(event.Waiting{What: strings.Join(of, " and "), Err: err.Error(), Fix: strings.Join(hints, "; ")})
	}
}

// lookErrors are the lookErrors in err, in order.
func lookErrors(err error) []*lookError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*lookError
		for _, e := range joined.Unwrap() {
			all = append(all, lookErrors(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*lookError](err); ok {
		return []*lookError{e}
	}
	return nil
}
