package token

import (
	"context"
	"time"

	"meshtask/acl/iam"
	"meshtask/internal/event"
)

// Unit is the runner of row token: it resolves every secret and logs in, lives as long as
// what it found is used, renews it meanwhile, and logs out.
type Unit struct {
	Tokens   *Tokens
	Renewals []Renewal // of tokens that may change; the others stay
	Grace    func() time.Duration
	Report   event.Report // nil: nobody listens
}

// Run is ready when everything is there. A stop before that ends the wait.
func (u *Unit) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	wait, release := stopped(ctx, stop)
	client, err := u.begin(wait)
	over := wait.Err() != nil
	release()
	if err != nil {
		if over {
			return nil
		}
		return err
	}
	if !over {
		ready()
	}
	u.Tokens.renew(ctx, u.Renewals, stop)
	if client != nil {
		u.end(ctx, client)
	}
	return nil
}

// begin reads the secrets, then logs in with what they gave. The client is nil without a
// login.
func (u *Unit) begin(ctx context.Context) (*iam.Client, error) {
	t := u.Tokens
	if err := t.Resolve(ctx, u.Report); err != nil || t.cfg.Login == nil {
		return nil, err
	}
	client, token, err := t.logIn(ctx, t.cfg.Login.IAM.Method, u.Report)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.login = token
	t.mu.Unlock()
	return client, nil
}

// end logs out, within the unit's share of the stop.
func (u *Unit) end(ctx context.Context, client *iam.Client) {
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, u.Grace())
	defer cancel()
	u.Tokens.mu.Lock()
	token := u.Tokens.login
	u.Tokens.mu.Unlock()
	u.Tokens.logOut(ctx, client, token)
}
