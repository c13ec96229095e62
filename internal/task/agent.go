package task

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl"
	"meshtask/consulagent"
	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/internal/token"
	"meshtask/lifecycle"
)

// agent is the client agent of a task that has one.
type agent struct {
	client *consulagent.Client
	ours   *consulagent.Agent // nil with someone else's
}

// meet makes what the task speaks to Consul by.
func (m *mesh) meet() error {
	if m.plan.Servers != nil {
		m.meetServers()
		return nil
	}
	node := m.plan.Agent.Settings.NodeName
	if m.plan.Agent.External != "" {
		node = ""
	}
	m.agent = &agent{client: consulagent.NewClient(consulagent.ClientConfig{Address: m.plan.Agent.HTTP, Node: node, Token: m.tokens.Service, AgentToken: m.agentToken,
		TokenWait: m.plan.Tokens.Wait, Registration: *m.plan.Service, AccessorMeta: acl.MetaAccessor, AgentAccessorMeta: acl.MetaAgentAccessor, Report: m.report(lifecycle.MeshInit)})}
	m.consul = m.agent.client
	if err := m.d.Dir.Sub(plan.AgentData); err != nil {
		return event.Because(event.StateDirectory, fmt.Errorf("the agent's data directory: %w", err))
	}
	return nil
}

// agentMetrics is nil where the agent keeps none, or is not ours.
func (m *mesh) agentMetrics() *consulagent.Metrics {
	if !m.plan.Agent.Metrics {
		return nil
	}
	return &consulagent.Metrics{Client: m.agent.client}
}

// agentUnit makes the unit consul-agent: ours, or the wait for someone else's.
func (m *mesh) agentUnit() lifecycle.Runner {
	a, report := m.plan.Agent, m.report(lifecycle.ConsulAgent)
	giveUp := func(err error) { m.cancel(event.Or(event.ConsulNotJoined, err)) }
	if a.External != "" {
		ext := &consulagent.External{Client: m.agent.client, Timeout: a.JoinTimeout, GiveUp: giveUp, Report: report}
		return m.reportUp(lifecycle.ConsulAgent, m.watched(lifecycle.ConsulAgent, ext, m.agent.client.Answers, m.joined, nothing), m.joined, nothing)
	}
	m.agent.ours = consulagent.New(consulagent.Config{
		Path: m.programs.consul, Agent: m.agentConfig, File: m.d.Dir.Path(plan.AgentDocument), Write: m.d.Dir.Write, Env: append(plan.Licence(m.d.Env), m.env...), Token: m.tokens.Service, Replaces: m.tokens.Changes(token.OfAgent),
		JoinTimeout: a.JoinTimeout, GiveUp: giveUp, Start: m.sup, Output: m.childOutput("consul-agent", hclog.Trace),
		Report: report, Grace: m.grace(lifecycle.ConsulAgent), Log: m.d.Log.Named("consul-agent"),
		LeaveAtOnce: m.plan.Kind == plan.Job,
	})
	kept := m.restarted(lifecycle.ConsulAgent, m.reportUp(lifecycle.ConsulAgent, m.watched(lifecycle.ConsulAgent, m.agent.ours, m.agent.client.Answers, m.joined, nothing), m.joined, nothing), a.Restart, crashed)
	return m.tokens.ForAgent(kept, report)
}

// agentToken is that of our agent; "" with someone else's.
func (m *mesh) agentToken() string {
	if m.plan.Agent.External != "" {
		return ""
	}
	return m.tokens.Agent()
}

// agentConfig is asked at each start, when the secrets are there.
func (m *mesh) agentConfig() (consulagent.AgentConfig, error) {
	return m.plan.Agent.Config(m.secretOf, m.tokens.Agent(), m.d.Dir.Path), nil
}

// renewLimit bounds two calls to the agent on this machine.
const renewLimit = time.Second

// joined is called for each run of the agent: a later one has to be told again what it may
// have lost.
func (m *mesh) joined() {
	var again, listener bool
	m.book.Read(func(s *state.State) { again, listener = s.Joins > 1, listenerChecked(s) })
	if !again {
		return
	}
	m.sync.AgentUp()
	if !listener {
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, renewLimit)
	defer cancel()
	if err := m.agent.client.RenewListenerCheck(ctx, m.bound()); err != nil {
		m.d.Log.Warn("the sidecar may be critical until the agent's next probe", "error", err)
	}
}

// listenerChecked says whether the check of the public listener has been added, or tried to.
func listenerChecked(s *state.State) bool {
	return !s.Stopping && s.Unit(string(lifecycle.Inbound)).State != state.Waiting
}
