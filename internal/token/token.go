// Package token holds the secrets of a task: it resolves their references, logs in to
// Consul and out again, and renews a token that changes while the task runs.
//
// It knows where values come from and when they are replaced. It does not know what they
// are used for, the configuration, or the order of units: its runners are units by shape.
package token

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/iam"
	"meshtask/internal/event"
	"meshtask/internal/secret"
	"meshtask/internal/secret/awsstore"
)

// Config says which secrets a task has. The zero value has none, and nobody is asked.
type Config struct {
	References []secret.Ref  // all that are to be resolved; those below are among them
	Service    secret.Ref    // of the service's token; zero: none, or Login
	Agent      secret.Ref    // of the agent's token; zero: none, or Login.AgentMethod
	Login      *Login        // nil: no login
	Wait       time.Duration // longest wait for a value that is not there, and for a login
	Refresh    time.Duration // between two looks whether Service and Agent are other ones; 0: never

	Env   func(name string) (string, bool) // of env: references
	Store secret.Store                     // of ARNs; nil: AWS, set up when it is first needed
	Log   hclog.Logger
}

// Login gets tokens by Consul's aws-iam auth method.
type Login struct {
	IAM         iam.Config                            // of the service's method; CAPEM, Credentials and Report are filled in
	AgentMethod string                                // of the agent's login; empty: it has none
	CACert      secret.Ref                            // of the server
	Server      func(context.Context) (string, error) // where IAM.Server is ""
	Region      string                                // where neither IAM.Region nor the settings of AWS have one
}

// Tokens are the values, empty until they are resolved. It is safe for concurrent use.
type Tokens struct {
	cfg Config

	mu     sync.Mutex
	values map[secret.Ref]secret.String
	login  iam.Token // of the service
	agent  iam.Token // of the agent
	use    [roles]secret.String
	next   [roles]offer
}

// Role is what a configured token is for.
type Role int

// The roles whose token may become another one while the task runs.
const (
	OfService Role = iota
	OfAgent
	roles
)

// offer is a token that a renewal has found.
type offer struct {
	token    secret.String
	accessor string
}

// New makes the tokens of cfg. It resolves nothing.
func New(cfg Config) *Tokens {
	if cfg.Store == nil {
		cfg.Store = &awsstore.Store{}
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	return &Tokens{cfg: cfg}
}

// Of is the value of a reference.
func (t *Tokens) Of(ref secret.Ref) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.values[ref].Reveal()
}

// Service is the token of registration, checks and Envoy: that of the login, else the
// configured one.
func (t *Tokens) Service() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cmp.Or(t.login.SecretID.Reveal(), t.use[OfService].Reveal())
}

// Agent is the token of the agent: that of its login, else the configured one.
func (t *Tokens) Agent() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cmp.Or(t.agent.SecretID.Reveal(), t.use[OfAgent].Reveal())
}

// Changes says whether a token may become another one while the task runs.
func (t *Tokens) Changes(of Role) bool {
	login := t.cfg.Login != nil && (of == OfService || t.cfg.Login.AgentMethod != "")
	return !login && !t.ref(of).Fixed() && t.cfg.Refresh > 0
}

// ref is where a token is.
func (t *Tokens) ref(of Role) secret.Ref {
	if of == OfAgent {
		return t.cfg.Agent
	}
	return t.cfg.Service
}

// Resolve reads every secret, and waits for those that are not filled, which it reports;
// report may be nil. The error has a code of package event unless ctx is done.
func (t *Tokens) Resolve(ctx context.Context, report event.Report) error {
	values, err := secret.All(ctx, secret.Config{Env: t.cfg.Env, Store: t.cfg.Store, Wait: t.cfg.Wait, Report: report}, t.cfg.References...)
	if err != nil {
		return fmt.Errorf("cannot resolve: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values = values
	for of := range roles {
		t.use[of] = values[t.ref(of)]
	}
	return nil
}
