package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/iam"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/lifecycle"
)

// logoutMost bounds a logout, which takes a few milliseconds.
const logoutMost = time.Second

// loginClient makes the client of acl.login for one of its auth methods.
func loginClient(ctx context.Context, cfg *config.Config, ca, method string, waiting func(what, lastError, hint string)) (*iam.Client, error) {
	l := cfg.ACL.Login
	cluster, err := ecs.ClusterARN(cfg.Task.ARN, cfg.Task.Cluster)
	if err != nil {
		return nil, err
	}
	c, err := iam.Environment(ctx, iam.Config{
		Server: l.Server, CAPEM: []byte(ca), Method: method, Datacenter: l.Datacenter,
		Partition: cmp.Or(l.Partition, cfg.Service.Partition, cfg.ConsulAgent.Partition),
		TaskID:    cfg.Task.ID, Cluster: cluster, Meta: l.Meta, Region: l.Region,
		STSEndpoint: l.STSEndpoint, ServerID: l.ServerIDHeaderValue, Entity: l.IncludeEntity, Waiting: waiting,
	})
	if err != nil {
		return nil, err
	}
	if arn, err := ecs.ParseARN(cfg.Task.ARN); err == nil { // ECS on EC2 sets no AWS_REGION
		c.Region = cmp.Or(c.Region, arn.Region)
	}
	return iam.New(c)
}

// logIn logs in within limit. A token that was made, but cannot be used, is
// destroyed again.
func logIn(ctx context.Context, client *iam.Client, limit time.Duration, log hclog.Logger) (iam.Token, error) {
	token, err := client.Login(ctx, limit)
	if err == nil {
		return token, nil
	}
	if token.AccessorID != "" {
		logOut(context.WithoutCancel(ctx), client, token, log)
	}
	return iam.Token{}, fmt.Errorf("acl.login: %w", err)
}

// logOut destroys a token of a login, within logoutMost.
func logOut(ctx context.Context, client *iam.Client, token iam.Token, log hclog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, logoutMost) // the last call as well
	defer cancel()
	if err := client.Logout(ctx, token, logoutMost); err != nil {
		log.Warn("a token is not logged out", "accessor", token.AccessorID, "error", err)
	}
}

// agentLogin decorates the agent's runner: its token lives a little longer than
// the agent, which needs it to leave.
type agentLogin struct {
	agent   lifecycle.Runner
	cfg     *config.Config
	into    *tokens
	waiting func(what, lastError, hint string)
	log     hclog.Logger
}

func (a *agentLogin) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	l := a.cfg.ACL.Login
	client, err := loginClient(ctx, a.cfg, a.into.of(l.CACert), l.AgentMethod, a.waiting)
	if err != nil {
		return &giveUp{exitRegister, fmt.Errorf("acl.login: %w", err)}
	}
	defer client.Close()
	login, cancel := context.WithCancel(ctx)
	defer cancel()
	release := onClose(stop, cancel) // a stop before there is a token ends the wait
	token, err := logIn(login, client, a.cfg.ACL.Wait.Duration, a.log)
	release()
	switch {
	case err != nil && login.Err() != nil:
		return nil
	case err != nil:
		return &giveUp{exitRegister, err}
	}
	defer logOut(ctx, client, token, a.log)
	a.into.set(func() { a.into.agentLogin = token })
	return a.agent.Run(ctx, ready, stop)
}
