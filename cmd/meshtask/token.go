package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"meshtask/acl/iam"
	"meshtask/envoy/bootstrap"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/journal"
	"meshtask/internal/secret"
	"meshtask/internal/token"
	"meshtask/lifecycle"
)

// secrets makes the tokens of a task that knows who it is.
func (t *task) secrets() (*token.Tokens, error) {
	a := t.cfg.ACL
	login, err := login(t.cfg)
	if err != nil {
		return nil, &giveUp{exitRegister, fmt.Errorf("acl.login: %w", err)}
	}
	var refs []secret.Ref
	for _, r := range t.cfg.References() {
		refs = append(refs, r.Ref)
	}
	return token.New(token.Config{References: refs, Service: a.ServiceToken, Agent: a.AgentToken, Login: login,
		Wait: a.Wait.Duration, Refresh: a.Refresh.Duration, Env: t.w.lookup, Log: t.log}), nil
}

// login is acl.login with what the task is.
func login(cfg *config.Config) (*token.Login, error) {
	l := cfg.ACL.Login
	if l == nil {
		return nil, nil
	}
	cluster, err := ecs.ClusterARN(cfg.Task.ARN, cfg.Task.Cluster)
	if err != nil {
		return nil, err
	}
	out := &token.Login{AgentMethod: l.AgentMethod, CACert: l.CACert, IAM: iam.Config{
		Server: l.Server, Method: l.Method, Datacenter: l.Datacenter,
		Partition: cmp.Or(l.Partition, cfg.Service.Partition, cfg.ConsulAgent.Partition),
		TaskID:    cfg.Task.ID, Cluster: cluster, Meta: l.Meta, Region: l.Region,
		STSEndpoint: l.STSEndpoint, ServerID: l.ServerIDHeaderValue, Entity: l.IncludeEntity,
	}}
	if arn, err := ecs.ParseARN(cfg.Task.ARN); err == nil {
		out.Region = arn.Region
	}
	return out, nil
}

// resolveAlone resolves the references of app.env where there is no mesh, and
// so no row token: before T0.
func (t *task) resolveAlone() error {
	if t.cfg.Mode.Mesh() || len(t.cfg.References()) == 0 {
		return nil
	}
	err := t.during(func(ctx context.Context) error {
		return t.tokens.Resolve(ctx, t.waits.of(string(lifecycle.Token)))
	})
	if _, asked := errors.AsType[*stopSignal](err); asked || err == nil {
		return err
	}
	return &giveUp{exitSecret, err}
}

// tokenUnit makes the unit token.
func (t *task) tokenUnit() lifecycle.Runner {
	return &token.Unit{Tokens: t.tokens, Grace: t.grace(lifecycle.Token), Waiting: t.waits.of(string(lifecycle.Token)),
		Renewal: &token.Renewal{
			Up:       func() bool { return t.reached.Load() && !t.stopping.Load() && t.mesh.agentUp.Load() },
			Accessor: t.mesh.client.Accessor,
			Offered:  t.mesh.sync.Renew,
		}}
}

// tokenName is where Envoy finds a service token that may change.
const tokenName = "envoy-token.json"

// tokenFile is the path of that file; "": the token may not change.
func (t *task) tokenFile() string {
	if !t.tokens.Changes() {
		return ""
	}
	return t.dir.Path(tokenName)
}

func (t *task) putToken(doc []byte) error { return t.dir.Write(tokenName, doc) }

// takeOver makes the token that was offered the service token of everything: of the
// registration, of Envoy's next streams, and of our own calls. health-sync calls it between
// two writes.
func (t *task) takeOver(ctx context.Context) {
	accessor, err := t.tokens.TakeOver(ctx, func(ctx context.Context, token string) error {
		if err := t.mesh.client.Renew(ctx, token); err != nil {
			return err
		}
		doc, err := bootstrap.TokenDocument(token)
		if err != nil {
			return err
		}
		return t.putToken(doc)
	}, func(ctx context.Context) error {
		if !t.mesh.listener.Load() {
			return nil
		}
		return t.mesh.client.AddListenerCheck(ctx)
	})
	switch {
	case err != nil:
		t.log.Warn("the new service token is not used yet", "accessor", accessor, "error", err)
	case accessor != "":
		t.note(lifecycle.Token)(journal.Step, "renewed", "accessor", accessor)
	}
}
