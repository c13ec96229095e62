package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/iam"
	"meshtask/internal/config"
	"meshtask/internal/secret"
	"meshtask/internal/secret/awsstore"
	"meshtask/lifecycle"
)

// tokens is what the unit token has resolved; until it is ready all are empty.
type tokens struct {
	mu         sync.Mutex
	values     map[secret.Ref]secret.String
	login      iam.Token // of the service
	agentLogin iam.Token // of the agent, where it has logged in
	next       candidate
}

func (k *tokens) of(ref secret.Ref) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.values[ref].Reveal()
}

// service is the token of registration, checks and Envoy: that of the login,
// else the configured one.
func (k *tokens) service(ref secret.Ref) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return cmp.Or(k.login.SecretID.Reveal(), k.values[ref].Reveal())
}

// agent is the token of the agent: that of its login, else the configured one.
func (k *tokens) agent(ref secret.Ref) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return cmp.Or(k.agentLogin.SecretID.Reveal(), k.values[ref].Reveal())
}

func (k *tokens) set(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// tokenUnit resolves every secret reference and logs in; it lives as long as
// what it found is used, and logs out.
type tokenUnit struct {
	cfg     *config.Config
	env     func(string) (string, bool)
	waiting func(what, lastError, hint string)
	grace   func() time.Duration
	log     hclog.Logger
	into    *tokens
	renewal *renewal // nil: what was found stays
}

func (u *tokenUnit) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	resolve, cancel := context.WithCancel(ctx)
	defer cancel()
	release := onClose(stop, cancel) // a stop before everything is there ends the wait
	client, err := u.resolve(resolve)
	release()
	if err != nil {
		if resolve.Err() != nil {
			return nil
		}
		return err
	}
	if !stopped(stop) {
		ready()
	}
	u.renewal.until(ctx, stop)
	u.logout(ctx, client)
	return nil
}

// resolve reads the secrets, then logs in with what they gave. The client is
// nil without a login.
func (u *tokenUnit) resolve(ctx context.Context) (*iam.Client, error) {
	var refs []secret.Ref
	for _, r := range u.cfg.References() {
		refs = append(refs, r.Ref)
	}
	values, err := secret.All(ctx, secret.Config{Env: u.env, Store: &awsstore.Store{}, Wait: u.cfg.ACL.Wait.Duration, Waiting: u.waiting}, refs...)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve: %w", err)
	}
	u.into.set(func() { u.into.values = values })
	if u.cfg.ACL.Login == nil {
		return nil, nil
	}
	login := u.cfg.ACL.Login
	client, err := loginClient(ctx, u.cfg, u.into.of(login.CACert), login.Method, u.waiting)
	if err != nil {
		return nil, &giveUp{exitRegister, fmt.Errorf("acl.login: %w", err)}
	}
	token, err := logIn(ctx, client, u.cfg.ACL.Wait.Duration, u.log)
	if err != nil {
		client.Close()
		return nil, &giveUp{exitRegister, err}
	}
	u.into.set(func() { u.into.login = token })
	return client, nil
}

// logout destroys the login's token, within the unit's share of the stop.
func (u *tokenUnit) logout(ctx context.Context, client *iam.Client) {
	if client == nil {
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, u.grace())
	defer cancel()
	u.into.mu.Lock()
	token := u.into.login
	u.into.mu.Unlock()
	logOut(ctx, client, token, u.log)
}

// resolveAlone resolves the references of app.env where there is no mesh, and
// so no row token: before T0.
func (t *task) resolveAlone() error {
	if t.cfg.Mode.Mesh() || len(t.cfg.References()) == 0 {
		return nil
	}
	u := &tokenUnit{cfg: t.cfg, env: t.w.lookup, waiting: t.waits.of(string(lifecycle.Token)), into: &t.tokens, log: t.log}
	err := t.during(func(ctx context.Context) error {
		_, err := u.resolve(ctx)
		return err
	})
	if _, asked := errors.AsType[*stopSignal](err); asked || err == nil {
		return err
	}
	return &giveUp{exitSecret, err}
}
