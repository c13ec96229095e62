package registration

import (
	"context"
	"fmt"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
)

// Asker makes calls, to an agent or to a server.
type Asker interface {
	Leader(ctx context.Context) (string, error)
	Accessor(ctx context.Context, token string) (string, error)
	Call(ctx context.Context, token string, do func(a *api.Client, q *api.QueryOptions) error) error
	Lacking(ctx context.Context, token string, rights []Right) ([]Right, error)
}

// Watch looks at how the Consul servers see a running task. It is for one goroutine.
type Watch struct {
	Asker
	Registration
	Node       func(context.Context) (string, error) // that the task is registered on
	Token      func() string                         // the service's
	AgentToken func() string                         // nil: there is no agent of ours

	ACLs      bool     // the task has tokens
	Never     bool     // its checks are critical for life: a job without a port
	Upstreams []string // services of this datacenter that intentions are looked up for
}

// Servers says whether a server is reached that knows a leader.
func (w *Watch) Servers(ctx context.Context) event.Condition {
	c := event.Condition{Name: event.CondServersReachable, OK: true}
	leader, err := w.Leader(ctx)
	switch {
	case err != nil:
		c.OK, c.Code, c.Reason = false, event.ServersUnreachable, err.Error()
	case leader == "":
		c.OK, c.Code, c.Reason = false, event.ServersUnreachable, "the servers have no leader"
	}
	return c
}

// Instance asks the servers for the task's tokens, its registration and its checks. What
// cannot be seen is left out.
func (w *Watch) Instance(ctx context.Context) (all []event.Condition) {
	if w.ACLs {
		if c, ok := w.known(ctx, event.CondServiceToken, event.ServiceTokenUnknown, w.Token()); ok {
			all = append(all, c)
		}
		if w.AgentToken != nil {
			if c, ok := w.known(ctx, event.CondAgentToken, event.AgentTokenUnknown, w.AgentToken()); ok {
				all = append(all, c)
			}
		}
	}
	return append(all, w.registered(ctx)...)
}

// known says whether Consul knows a token; false where that cannot be seen.
func (w *Watch) known(ctx context.Context, name string, code event.Code, token string) (event.Condition, bool) {
	c := event.Condition{Name: name, OK: true}
	if token == "" {
		return c, false
	}
	accessor, err := w.Accessor(ctx, token)
	if ACLNotFound(err) {
		c.OK, c.Code, c.Reason = false, code, "ACL not found"
		return c, true
	}
	return c, accessor != ""
}

// registered says whether the servers list the instance, and whether its checks pass there.
func (w *Watch) registered(ctx context.Context) []event.Condition {
	node, err := w.Node(ctx)
	if err != nil {
		return nil
	}
	r := w.Registration
	var checks api.HealthChecks
	var meta *api.QueryMeta
	if err := w.Call(ctx, w.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		q.Filter = fmt.Sprintf("ServiceID == %q or ServiceID == %q", r.ServiceID(), r.ProxyID()) // the node may be a whole cluster's
		checks, meta, err = a.Health().Node(node, q)
		return err
	}); err != nil {
		return nil
	}
	listed, passing := event.Condition{Name: event.CondRegistered, OK: true}, event.Condition{Name: event.CondChecksPassing, OK: true}
	n := 0
	for _, c := range checks {
		if c.ServiceID != r.ServiceID() && c.ServiceID != r.ProxyID() {
			continue
		}
		n++
		if c.Status != api.HealthPassing && passing.OK {
			passing.OK, passing.Code, passing.Reason = false, event.ChecksCritical, fmt.Sprintf("%s is %s: %s", c.CheckID, c.Status, c.Output)
			passing.Facts = event.Facts{"check": c.Name}
		}
	}
	switch {
	case n > 0 && w.Never:
		return []event.Condition{listed}
	case n > 0:
		return []event.Condition{listed, passing}
	case meta.ResultsFilteredByACLs:
		return nil
	}
	listed.OK, listed.Code, listed.Reason = false, event.NotRegistered, fmt.Sprintf("node %s has no check of %s at the servers", node, r.ServiceID())
	return []event.Condition{listed}
}

// Denied are those upstreams that no intention lets this service call. false: the token may
// not ask, or nobody answers.
func (w *Watch) Denied(ctx context.Context) (denied map[string]bool, ok bool) {
	if len(w.Upstreams) == 0 {
		return nil, true
	}
	source := w.Registration.Name
	var match map[string][]*api.Intention
	if err := w.Call(ctx, w.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		match, _, err = a.Connect().IntentionMatch(&api.IntentionMatch{By: api.IntentionMatchSource, Names: []string{source}}, q)
		return err
	}); err != nil {
		return nil, false
	}
	denied = map[string]bool{}
	var byDefault *bool // what no intention speaks of
	for _, name := range w.Upstreams {
		action := decided(match[source], name)
		if action == "" {
			if byDefault == nil {
				var allowed bool
				if err := w.Call(ctx, w.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
					allowed, _, err = a.Connect().IntentionCheck(&api.IntentionCheck{Source: source, Destination: name, SourceType: api.IntentionSourceConsul}, q)
					return err
				}); err != nil {
					return nil, false
				}
				byDefault = &allowed
			}
			denied[name] = !*byDefault
			continue
		}
		denied[name] = action == api.IntentionActionDeny
	}
	return denied, true
}

// decided is the action of the first intention for a destination; they are in the order of
// their precedence. "" is none, and one with permissions allows something.
func decided(list []*api.Intention, destination string) api.IntentionAction {
	for _, i := range list {
		if i.DestinationName != destination && i.DestinationName != "*" {
			continue
		}
		if len(i.Permissions) > 0 {
			return api.IntentionActionAllow
		}
		return i.Action
	}
	return ""
}
