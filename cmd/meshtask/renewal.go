package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/envoy"
	"meshtask/internal/journal"
	"meshtask/internal/secret"
	"meshtask/internal/secret/awsstore"
	"meshtask/lifecycle"
)

// hasty is the pause before a new token is offered again that was not yet known to
// Consul, or came when the mesh was not up: a controller fills the secret first.
const hasty = 5 * time.Second

// candidate is a service token that a renewal has found.
type candidate struct {
	token    secret.String
	accessor string
}

// renewal looks, while the task runs, whether the secret of the service token holds
// another one, as it does when the ACL controller rotates it, and offers that.
type renewal struct {
	ref     secret.Ref
	cfg     secret.Config
	every   time.Duration
	current func() string
	up      func() bool // the registration stands and may be changed
	// accessor fails for a token that Consul does not know.
	accessor func(ctx context.Context, token string) (string, error)
	offer    func(candidate)
	log      hclog.Logger
}

// until renews until stop is closed or ctx is done. A nil renewal only waits.
func (r *renewal) until(ctx context.Context, stop <-chan struct{}) {
	if r == nil {
		select {
		case <-stop:
		case <-ctx.Done():
		}
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onClose(stop, cancel)()
	failed := false
	for pause := r.every; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(spread(pause)):
		}
		found, err := r.look(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			r.log.Warn("the service token cannot be read again, the present one stays", "secret", r.ref.String(), "error", err)
		}
		failed = err != nil
		if pause = r.every; found {
			pause = min(r.every, hasty)
		}
	}
}

// spread keeps the tasks of a service from asking in step.
func spread(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// look reads the secret once. found: it holds another token, which may have been offered.
func (r *renewal) look(ctx context.Context) (found bool, err error) {
	token, err := secret.Once(ctx, r.cfg, r.ref)
	if err != nil || token.Reveal() == r.current() {
		return false, err
	}
	if !r.up() {
		return true, nil
	}
	accessor, err := r.accessor(ctx, token.Reveal())
	if err != nil {
		r.log.Debug("another service token is not known to Consul yet", "error", err)
		return true, nil
	}
	r.offer(candidate{token, accessor})
	return true, nil
}

// renewal is nil where the service token cannot change.
func (t *task) renewal() *renewal {
	if t.tokenFile() == "" {
		return nil
	}
	return &renewal{
		ref: t.cfg.ACL.ServiceToken, cfg: secret.Config{Store: &awsstore.Store{}}, every: t.cfg.ACL.Refresh.Duration, current: t.serviceToken,
		up:       func() bool { return t.reached.Load() && !t.stopping.Load() && t.mesh.agentUp.Load() },
		accessor: t.mesh.client.Accessor,
		offer: func(c candidate) {
			t.tokens.set(func() { t.tokens.next = c })
			t.mesh.sync.Renew()
		},
		log: t.log,
	}
}

// tokenFile is where Envoy finds a service token that may change; "": it may not.
func (t *task) tokenFile() string {
	a := t.cfg.ACL
	if a.Login != nil || a.ServiceToken.Fixed() || a.Refresh.Duration == 0 {
		return ""
	}
	return t.dir.Path(tokenName)
}

const tokenName = "envoy-token.json"

func (t *task) putToken(doc []byte) error { return t.dir.Write(tokenName, doc) }

// takeOver makes the token that was offered the service token of everything: of the
// registration, of Envoy's next streams, and of our own calls. health-sync calls it between
// two writes. What fails leaves the present token in use, and is tried again when the
// secret is looked at next.
func (t *task) takeOver(ctx context.Context) {
	k, ref := &t.tokens, t.cfg.ACL.ServiceToken
	var next candidate
	var old secret.String
	k.set(func() { next, k.next, old = k.next, candidate{}, k.values[ref] })
	if next.token == "" || next.token == old {
		return
	}
	err := t.mesh.client.Renew(ctx, next.token.Reveal())
	if err == nil {
		var doc []byte
		if doc, err = envoy.TokenDocument(next.token.Reveal()); err == nil {
			err = t.putToken(doc)
		}
	}
	if err == nil {
		k.set(func() { k.values[ref] = next.token })
		if t.mesh.listener.Load() {
			err = t.mesh.client.AddListenerCheck(ctx)
		}
	}
	if err != nil {
		k.set(func() { k.values[ref] = old })
		t.log.Warn("the new service token is not used yet", "accessor", next.accessor, "error", err)
		return
	}
	t.note(lifecycle.Token)(journal.Step, "renewed", "accessor", next.accessor)
}
