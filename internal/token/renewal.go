package token

import (
	"context"
	"sync"
	"time"

	"meshtask/internal/retry"
	"meshtask/internal/secret"
)

// unusedPause is the pause before a new token is looked at again that could not be used
// yet: Consul did not know it, or the mesh was not up. A controller fills the secret first.
const unusedPause = 5 * time.Second

// Renewal is what the renewal of a token needs of the task.
type Renewal struct {
	Of Role
	Up func() bool // the registration stands and may be changed
	// Accessor fails for a token that Consul does not know.
	Accessor func(ctx context.Context, token string) (string, error)
	// Offered is told that there is another token: call TakeOver when it suits.
	Offered func()
}

// renew looks, until stop is closed or ctx is done, whether the secrets of tokens hold other
// ones, as they do when the ACL controller rotates them. Without a renewal it only waits.
func (t *Tokens) renew(ctx context.Context, all []Renewal, stop <-chan struct{}) {
	ctx, release := stopped(ctx, stop)
	defer release()
	var looks sync.WaitGroup
	for i := range all {
		if r := &all[i]; t.Changes(r.Of) {
			looks.Go(func() { t.follow(ctx, r) })
		}
	}
	<-ctx.Done()
	looks.Wait()
}

// follow looks at one secret until ctx is done.
func (t *Tokens) follow(ctx context.Context, r *Renewal) {
	failed := false
	for pause := t.cfg.Refresh; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry.Spread(pause)):
		}
		found, err := t.look(ctx, r)
		if err != nil && ctx.Err() == nil && !failed {
			t.cfg.Log.Warn("a token cannot be read again, the present one stays", "of", r.Of.String(), "secret", t.ref(r.Of).String(), "error", err)
		}
		failed = err != nil
		if pause = t.cfg.Refresh; found {
			pause = min(pause, unusedPause)
		}
	}
}

// look reads the secret once. found: it holds another token, which may have been offered.
func (t *Tokens) look(ctx context.Context, r *Renewal) (found bool, err error) {
	token, err := secret.Once(ctx, secret.Config{Env: t.cfg.Env, Store: t.cfg.Store}, t.ref(r.Of))
	t.mu.Lock()
	same := token == t.use[r.Of]
	t.mu.Unlock()
	if err != nil || same {
		return false, err
	}
	if !r.Up() {
		return true, nil
	}
	accessor, err := r.Accessor(ctx, token.Reveal())
	if err != nil {
		t.cfg.Log.Debug("another token is not known to Consul yet", "of", r.Of.String(), "error", err)
		return true, nil
	}
	t.mu.Lock()
	t.next[r.Of] = offer{token, accessor}
	t.mu.Unlock()
	r.Offered()
	return true, nil
}

// TakeOver makes the token that was offered the one in use. use, which may be nil, puts it to
// use where it is given explicitly, while Service or Agent is still the present one; then that
// is the new one, and check, which may be nil, is the first to work with it. What fails leaves
// the present token in force; the new one is offered again when the secret is looked at next.
// It returns the accessor ID of the new token, "" when there was none to take over.
func (t *Tokens) TakeOver(ctx context.Context, of Role, use func(ctx context.Context, token string) error, check func(context.Context) error) (accessor string, err error) {
	t.mu.Lock()
	next, old := t.next[of], t.use[of]
	t.next[of] = offer{}
	t.mu.Unlock()
	if next.token == "" || next.token == old {
		return "", nil
	}
	if use != nil {
		if err := use(ctx, next.token.Reveal()); err != nil {
			return next.accessor, err
		}
	}
	t.put(of, next.token)
	if check != nil {
		if err := check(ctx); err != nil {
			t.put(of, old)
			return next.accessor, err
		}
	}
	return next.accessor, nil
}

// put makes s the token in use.
func (t *Tokens) put(of Role, s secret.String) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.use[of], t.values[t.ref(of)] = s, s
}

// String is the role as logs name it.
func (r Role) String() string { return [...]string{"service", "agent"}[r] }
