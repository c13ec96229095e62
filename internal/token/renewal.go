package token

import (
	"context"
	"time"

	"meshtask/internal/retry"
	"meshtask/internal/secret"
)

// unusedPause is the pause before a new token is looked at again that could not be used
// yet: Consul did not know it, or the mesh was not up. A controller fills the secret first.
const unusedPause = 5 * time.Second

// Renewal is what a renewal of the service's token needs of the task.
type Renewal struct {
	Up func() bool // the registration stands and may be changed
	// Accessor fails for a token that Consul does not know.
	Accessor func(ctx context.Context, token string) (string, error)
	// Offered is told that there is another token: call TakeOver when it suits.
	Offered func()
}

// renew looks, until stop is closed or ctx is done, whether the secret of the service's
// token holds another one, as it does when the ACL controller rotates it. Without a
// renewal it only waits.
func (t *Tokens) renew(ctx context.Context, r *Renewal, stop <-chan struct{}) {
	ctx, release := stopped(ctx, stop)
	defer release()
	if r == nil || !t.Changes() {
		<-ctx.Done()
		return
	}
	failed := false
	for pause := t.cfg.Refresh; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry.Spread(pause)):
		}
		found, err := t.look(ctx, r)
		if err != nil && ctx.Err() == nil && !failed {
			t.cfg.Log.Warn("the service token cannot be read again, the present one stays", "secret", t.cfg.Service.String(), "error", err)
		}
		failed = err != nil
		if pause = t.cfg.Refresh; found {
			pause = min(pause, unusedPause)
		}
	}
}

// look reads the secret once. found: it holds another token, which may have been offered.
func (t *Tokens) look(ctx context.Context, r *Renewal) (found bool, err error) {
	token, err := secret.Once(ctx, secret.Config{Env: t.cfg.Env, Store: t.cfg.Store}, t.cfg.Service)
	if err != nil || token.Reveal() == t.Service() {
		return false, err
	}
	if !r.Up() {
		return true, nil
	}
	accessor, err := r.Accessor(ctx, token.Reveal())
	if err != nil {
		t.cfg.Log.Debug("another service token is not known to Consul yet", "error", err)
		return true, nil
	}
	t.mu.Lock()
	t.next = offer{token, accessor}
	t.mu.Unlock()
	r.Offered()
	return true, nil
}

// TakeOver makes the token that was offered the service's. use puts it to use where it is
// given explicitly, while Service is still the present one; then Service is the new one,
// and check, which may be nil, is the first to work with it. What fails leaves the present
// token in force; the new one is offered again when the secret is looked at next. It
// returns the accessor ID of the new token, "" when there was none to take over.
func (t *Tokens) TakeOver(ctx context.Context, use func(ctx context.Context, token string) error, check func(context.Context) error) (accessor string, err error) {
	t.mu.Lock()
	next, old := t.next, t.values[t.cfg.Service]
	t.next = offer{}
	t.mu.Unlock()
	if next.token == "" || next.token == old {
		return "", nil
	}
	if err := use(ctx, next.token.Reveal()); err != nil {
		return next.accessor, err
	}
	t.put(next.token)
	if check != nil {
		if err := check(ctx); err != nil {
			t.put(old)
			return next.accessor, err
		}
	}
	return next.accessor, nil
}

// put makes s the service's token.
func (t *Tokens) put(s secret.String) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values[t.cfg.Service] = s
}
