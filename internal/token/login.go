package token

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"meshtask/acl/iam"
	"meshtask/internal/event"
)

// logoutLimit bounds a logout, which takes a few milliseconds.
const logoutLimit = time.Second

// client makes the client of the login for one of its auth methods.
func (t *Tokens) client(ctx context.Context, method string, report event.Report) (*iam.Client, error) {
	l := t.cfg.Login
	c := l.IAM
	c.Method, c.CAPEM, c.Report = method, []byte(t.Of(l.CACert)), report
	if c.Server == "" && l.Server != nil {
		server, err := l.Server(ctx)
		if err != nil {
			return nil, err
		}
		c.Server = server
	}
	c, err := iam.Environment(ctx, c)
	if err != nil {
		return nil, err
	}
	c.Region = cmp.Or(c.Region, l.Region) // ECS on EC2 sets no AWS_REGION
	return iam.New(c)
}

// logIn logs in by one auth method. Close the client after the logout.
func (t *Tokens) logIn(ctx context.Context, method string, report event.Report) (*iam.Client, iam.Token, error) {
	client, err := t.client(ctx, method, report)
	if err != nil {
		return nil, iam.Token{}, event.Or(event.Login, fmt.Errorf("acl.login: %w", err))
	}
	token, err := client.Login(ctx, t.cfg.Wait)
	if err == nil {
		return client, token, nil
	}
	if token.AccessorID != "" { // it was made, but cannot be used
		t.logOut(context.WithoutCancel(ctx), client, token)
	}
	client.Close()
	return nil, iam.Token{}, fmt.Errorf("acl.login: %w", err)
}

// logOut destroys a token of a login, within logoutLimit.
func (t *Tokens) logOut(ctx context.Context, client *iam.Client, token iam.Token) {
	ctx, cancel := context.WithTimeout(ctx, logoutLimit) // the last call as well
	defer cancel()
	if err := client.Logout(ctx, token, logoutLimit); err != nil {
		t.cfg.Log.Warn("a token is not logged out", "accessor", token.AccessorID, "error", err)
	}
}

// Runner is a unit: stop closed asks it to end in good order, ctx done to end now.
type Runner interface {
	Run(ctx context.Context, ready func(), stop <-chan struct{}) error
}

// ForAgent decorates the agent's runner where the agent logs in: its token lives a little
// longer than the agent, which needs it to leave. report may be nil.
func (t *Tokens) ForAgent(agent Runner, report event.Report) Runner {
	if t.cfg.Login == nil || t.cfg.Login.AgentMethod == "" {
		return agent
	}
	return &loggedIn{t, agent, report}
}

type loggedIn struct {
	tokens *Tokens
	agent  Runner
	report event.Report
}

func (a *loggedIn) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	t := a.tokens
	login, release := stopped(ctx, stop) // a stop before there is a token ends the wait
	client, token, err := t.logIn(login, t.cfg.Login.AgentMethod, a.report)
	over := login.Err() != nil
	release()
	switch {
	case err != nil && over:
		return nil
	case err != nil:
		return err
	}
	defer client.Close()
	defer t.logOut(ctx, client, token)
	t.mu.Lock()
	t.agent = token
	t.mu.Unlock()
	return a.agent.Run(ctx, ready, stop)
}

// stopped is ctx, done when stop is closed as well. release joins what watches it.
func stopped(ctx context.Context, stop <-chan struct{}) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-joined }
}
