package main

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/consulagent"
	"meshtask/internal/config"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// dataName is the agent's data directory: the node ID in it is kept from life to life.
const dataName = "consul"

func agentKeys() []string { return consulagent.EmittedKeys() }

// agentRunner makes the unit consul-agent: ours, or the wait for someone else's.
func (t *task) agentRunner(env []string) lifecycle.Runner {
	c, m := t.cfg.ConsulAgent, t.mesh
	giveUp := func(err error) { t.cancel(&giveUp{exitConsul, err}) }
	waiting := t.waits.of(string(lifecycle.ConsulAgent))
	down := func() { m.agentHangs.Store(false); m.agentUp.Store(false) }
	alive := t.liveness(lifecycle.ConsulAgent, m.client.Answers, &m.agentHangs, t.joined, down)
	if c.External != "" {
		ext := &consulagent.External{Client: m.client, Timeout: c.JoinTimeout.Duration, GiveUp: giveUp, Note: t.note(lifecycle.ConsulAgent), Waiting: waiting}
		return supervisor.Report(supervisor.Watch(ext, alive), t.joined, down)
	}
	agent := consulagent.New(consulagent.Config{
		Path: m.consul, Agent: t.agentConfig, File: t.dir.Path("consul.json"), Write: t.dir.Write, Env: env, Token: t.tokens.Service,
		JoinTimeout: c.JoinTimeout.Duration, GiveUp: giveUp, Start: t.sup, Output: t.childOutput("consul-agent", hclog.Trace),
		Note: t.note(lifecycle.ConsulAgent), Waiting: waiting, Grace: t.grace(lifecycle.ConsulAgent), Log: t.log.Named("consul-agent"),
		LeaveAtOnce: t.cfg.Mode == config.Job,
	})
	kept := t.restarted(lifecycle.ConsulAgent, supervisor.Report(supervisor.Watch(agent, alive), t.joined, down), c.Restart)
	return t.tokens.ForAgent(kept, waiting)
}

// renewLimit bounds two calls to the agent on this machine.
const renewLimit = time.Second

// joined is told of each life of the agent: a later one has to be told again
// what it may have lost.
func (t *task) joined() {
	m := t.mesh
	m.joinedAt.Store(time.Now().UnixNano())
	m.agentHangs.Store(false)
	m.agentUp.Store(true)
	if m.agentLives.Add(1) == 1 {
		return
	}
	m.sync.AgentUp()
	if !m.listener.Load() || t.stopping.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, renewLimit)
	defer cancel()
	if err := m.client.RenewListenerCheck(ctx); err != nil {
		t.log.Warn("the sidecar may be critical until the agent's next probe", "error", err)
	}
}

// agentConfig is asked at each start, when the secrets are there.
func (t *task) agentConfig() (consulagent.AgentConfig, error) {
	c, k := t.cfg.ConsulAgent, t.tokens
	p := c.Ports
	a := consulagent.AgentConfig{
		NodeName: c.NodeName, Datacenter: c.Datacenter, Partition: c.Partition, DataDir: t.dir.Path(dataName),
		BindAddress: c.BindAddress, ClientAddress: c.ClientAddr, RetryJoin: c.RetryJoin, LogLevel: c.LogLevel,
		Ports: consulagent.Ports{HTTP: p.HTTP, HTTPS: p.HTTPS, GRPC: p.GRPC, GRPCTLS: p.GRPCTLS, SerfLAN: p.SerfLAN,
			SerfWAN: p.SerfWAN, Server: p.Server, DNS: p.DNS},
		GossipKey: k.Of(c.GossipKey), ACLs: t.cfg.ACL.Enabled, AgentToken: k.Agent(), Extra: c.ExtraConfig,
	}
	if ip := net.ParseIP(c.BindAddress); ip != nil && ip.IsUnspecified() {
		a.AdvertiseAddress = t.cfg.Task.Address
	}
	if !c.CACert.IsZero() {
		a.CAFile, a.CACert, a.AutoEncrypt, a.VerifyServerHostname = t.dir.Path("consul-ca.pem"), k.Of(c.CACert), c.AutoEncrypt, c.VerifyServerHostname
	}
	return a, nil
}

// adminTCP is the TCP side of the admin API; "" is none.
func (t *task) adminTCP() string {
	if l := t.cfg.Admin.Listen; t.cfg.Mode.Mesh() && l != "off" {
		return l
	}
	return ""
}
