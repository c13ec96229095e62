package task

import (
	"context"
	"fmt"

	"meshtask/acl/iam"
	"meshtask/envoy/bootstrap"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/internal/token"
	"meshtask/lifecycle"
)

// secrets makes the tokens of the plan.
func (t *task) secrets() (*token.Tokens, error) {
	p := t.plan.Tokens
	t.finder = t.finding()
	c := token.Config{Service: p.Service, Agent: p.Agent, Wait: p.Wait, Refresh: p.Refresh, Env: func(name string) (string, bool) { return lookup(t.d.Env, name) }, Log: t.d.Log}
	for _, s := range t.plan.Secrets {
		c.References = append(c.References, s.Ref)
	}
	if l := p.Login; l != nil {
		cluster, err := ecs.ClusterARN(t.plan.Task.ARN, t.plan.Task.Cluster)
		if err != nil {
			return nil, event.Because(event.Login, fmt.Errorf("acl.login: %w", err))
		}
		c.Login = &token.Login{AgentMethod: l.AgentMethod, CACert: l.CACert, IAM: iam.Config{
			Server: l.Server, ServerName: l.ServerName, Method: l.Method, Datacenter: l.Datacenter, Partition: l.Partition,
			TaskID: t.plan.Task.ID, Cluster: cluster, Meta: l.Meta, Region: l.Region,
			STSEndpoint: l.STSEndpoint, ServerID: l.ServerID, Entity: l.Entity,
		}}
		if l.Server == "" {
			c.Login.Server = t.url
		}
		if arn, err := ecs.ParseARN(t.plan.Task.ARN); err == nil {
			c.Login.Region = arn.Region
		}
	}
	return token.New(c), nil
}

// resolveAlone resolves the references of app.env where there is no mesh, and so no row
// token: before T0.
func (t *task) resolveAlone() error {
	if t.plan.Kind.HasMesh() || len(t.plan.Secrets) == 0 {
		return nil
	}
	return t.during(func(ctx context.Context) error {
		return t.tokens.Resolve(ctx, t.report(lifecycle.Token))
	})
}

// tokenUnit makes the unit token.
func (m *mesh) tokenUnit() lifecycle.Runner {
	u := &token.Unit{Tokens: m.tokens, Grace: m.grace(lifecycle.Token), Report: m.report(lifecycle.Token)}
	for _, of := range []token.Role{token.OfService, token.OfAgent} {
		if of == token.OfService || m.agent != nil && m.plan.Agent.External == "" {
			u.Renewals = append(u.Renewals, token.Renewal{Of: of, Up: m.changeable, Accessor: m.consul.Accessor, Offered: m.sync.Renew})
		}
	}
	return u
}

// changeable says whether the registration stands and may be changed.
func (m *mesh) changeable() (yes bool) {
	m.book.Read(func(s *state.State) {
		yes = s.Up && !s.Stopping && (m.agent == nil || s.Unit(string(lifecycle.ConsulAgent)).State == state.Running)
	})
	return yes
}

// tokenFile is where Envoy finds a service token that may change, or that is for the servers; "":
// the document has it.
func (m *mesh) tokenFile() string {
	if !m.tokens.Changes(token.OfService) && (m.servers == nil || !m.plan.Tokens.ACLs) {
		return ""
	}
	return m.d.Dir.Path(plan.EnvoyToken)
}

func (m *mesh) putToken(doc []byte) error { return m.d.Dir.Write(plan.EnvoyToken, doc) }

// takeOver makes tokens that were offered those in use. health-sync calls it between two
// writes.
func (m *mesh) takeOver(ctx context.Context) {
	m.takeOverAgent(ctx)
	m.takeOverService(ctx)
}

// takeOverAgent gives the agent that runs its token, and the next life gets it at its start:
// that asks for it, so it is in use before the agent that runs has it.
func (m *mesh) takeOverAgent(ctx context.Context) {
	accessor, err := m.tokens.TakeOver(ctx, token.OfAgent, nil, func(ctx context.Context) error {
		if err := m.agent.ours.Replace(ctx, m.tokens.Agent()); err != nil {
			return err
		}
		return m.consul.Renew(ctx, m.tokens.Service()) // it says which one the agent has
	})
	m.tookOver(token.OfAgent, accessor, err)
}

// takeOverService makes the service's token that of the registration, of Envoy's next streams,
// and of our own calls.
func (m *mesh) takeOverService(ctx context.Context) {
	accessor, err := m.tokens.TakeOver(ctx, token.OfService, func(ctx context.Context, token string) error {
		if err := m.consul.Renew(ctx, token); err != nil {
			return err
		}
		doc, err := bootstrap.TokenDocument(token)
		if err != nil {
			return err
		}
		return m.putToken(doc)
	}, func(ctx context.Context) error {
		var listener bool
		m.book.Read(func(s *state.State) { listener = listenerChecked(s) })
		if !listener {
			return nil
		}
		return m.consul.AddListenerCheck(ctx, m.bound())
	})
	m.tookOver(token.OfService, accessor, err)
}

// tookOver says how it went.
func (m *mesh) tookOver(of token.Role, accessor string, err error) {
	switch {
	case err != nil:
		m.d.Log.Warn("a new token is not used yet", "of", of.String(), "accessor", accessor, "error", err)
	case accessor != "":
		m.report(lifecycle.Token)(event.Renewed{Of: of.String(), Accessor: accessor})
	}
}
