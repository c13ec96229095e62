package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/acl/iam"
	"meshtask/internal/event"
	"meshtask/internal/secret"
)

const (
	arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s"
	patience = time.Minute
)

func parse(t *testing.T, s string) secret.Ref {
	t.Helper()
	ref, err := secret.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// store answers for ARNs.
type store func(ctx context.Context, ref secret.Ref) (secret.String, error)

func (s store) Get(ctx context.Context, ref secret.Ref) (secret.String, error) { return s(ctx, ref) }

// Nothing is asked for a task without references, and nothing is set up for it.
func TestNothingToResolve(t *testing.T) {
	tokens := New(Config{Store: store(func(context.Context, secret.Ref) (secret.String, error) {
		t.Error("the store is asked")
		return "", nil
	})})
	if err := tokens.Resolve(t.Context(), nil); err != nil || tokens.Service() != "" || tokens.Agent() != "" || tokens.Changes(OfService) || tokens.Changes(OfAgent) {
		t.Errorf("%v: %q, %q", err, tokens.Service(), tokens.Agent())
	}
	agent := &agentUnit{}
	if got := tokens.ForAgent(agent, nil); got != Runner(agent) {
		t.Error("an agent without a login is decorated")
	}
}

// Each reason why a secret is not there has its code; a secret ends the task with 201.
func TestCauses(t *testing.T) {
	get := func(err error) store {
		return func(context.Context, secret.Ref) (secret.String, error) { return "", err }
	}
	for name, c := range map[string]struct {
		ref   string
		store store
		want  event.Code
	}{
		"not filled":  {arn, get(secret.ErrNotYet), event.SecretNotFilled},
		"denied":      {arn, get(&secret.Refused{Code: event.SecretDenied, Reason: "AccessDeniedException: no", Action: "secretsmanager:GetSecretValue"}), event.SecretDenied},
		"missing":     {arn, get(&secret.Refused{Code: event.SecretMissing, Reason: "ResourceNotFoundException: no", Action: "secretsmanager:GetSecretValue"}), event.SecretMissing},
		"KMS":         {arn, get(&secret.Refused{Code: event.SecretKMS, Reason: "AccessDeniedException: KMS", Action: "kms:Decrypt"}), event.SecretKMS},
		"an outage":   {arn, get(errors.New("connection refused")), event.Secret},
		"a variable":  {"env:NONE", nil, event.SecretVariable},
		"a file":      {"file:/nonexistent/x", nil, event.SecretFile},
		"a bad store": {arn, get(&secret.Refused{Reason: "ValidationException: x"}), event.Secret},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ref := parse(t, c.ref)
				tokens := New(Config{References: []secret.Ref{ref}, Wait: time.Second, Env: func(string) (string, bool) { return "", false }, Store: c.store})
				err := tokens.Resolve(t.Context(), nil)
				cause := event.CauseOf(err)
				if cause == nil || cause.Code != c.want || cause.Code.Exit() != 201 || cause.Facts["secret"] != c.ref || !strings.Contains(err.Error(), c.ref) {
					t.Errorf("%v: %+v, want %s", err, cause, c.want)
				}
			})
		})
	}
}

// The new token is in force once it is used; what fails leaves the present one.
func TestTakeOver(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		next       offer
		use, check error
		accessor   string
		now        string
		calls      string
	}{
		"nothing offered": {offer{}, nil, nil, "", "old", ""},
		"the same":        {offer{"old", "a"}, nil, nil, "", "old", ""},
		"another":         {offer{"new", "a"}, nil, nil, "a", "new", "use new while old; check with new"},
		"not usable":      {offer{"new", "a"}, broken, nil, "a", "old", "use new while old"},
		"not confirmed":   {offer{"new", "a"}, nil, broken, "a", "old", "use new while old; check with new"},
	} {
		for _, of := range []Role{OfService, OfAgent} {
			ref, other := parse(t, arn), parse(t, "file:/other")
			tokens := New(Config{Service: ref, Agent: other})
			now, rest := tokens.Service, tokens.Agent
			if of == OfAgent {
				tokens.cfg.Service, tokens.cfg.Agent = other, ref
				now, rest = rest, now
			}
			tokens.values, tokens.use = map[secret.Ref]secret.String{}, [roles]secret.String{"kept", "kept"}
			tokens.use[of], tokens.next[of] = "old", c.next
			var calls []string
			accessor, err := tokens.TakeOver(t.Context(), of, func(_ context.Context, token string) error {
				calls = append(calls, "use "+token+" while "+now())
				return c.use
			}, func(context.Context) error {
				calls = append(calls, "check with "+now())
				return c.check
			})
			if accessor != c.accessor || (err != nil) != (c.use != nil || c.check != nil) || now() != c.now || rest() != "kept" || strings.Join(calls, "; ") != c.calls {
				t.Errorf("%s of %s: %q, %v, then %q and %q after %q", name, of, accessor, err, now(), rest(), calls)
			}
			if again, err := tokens.TakeOver(t.Context(), of, nil, nil); again != "" || err != nil {
				t.Errorf("%s of %s: taken over twice", name, of)
			}
		}
	}
}

// A token changes where it comes from somewhere that may change, and no login gives another.
func TestChanges(t *testing.T) {
	secret, fixed := parse(t, arn), parse(t, "env:X")
	for name, c := range map[string]struct {
		cfg            Config
		service, agent bool
	}{
		"both":                {Config{Service: secret, Agent: secret, Refresh: 1}, true, true},
		"never looked at":     {Config{Service: secret, Agent: secret}, false, false},
		"fixed":               {Config{Service: fixed, Agent: fixed, Refresh: 1}, false, false},
		"the service logs in": {Config{Agent: secret, Login: &Login{}, Refresh: 1}, false, true},
		"both log in":         {Config{Login: &Login{AgentMethod: "agent"}, Refresh: 1}, false, false},
	} {
		if tokens := New(c.cfg); tokens.Changes(OfService) != c.service || tokens.Changes(OfAgent) != c.agent {
			t.Errorf("%s: service %v, agent %v", name, !c.service, tokens.Changes(OfAgent))
		}
	}
}

// consul is as much of Consul as a login needs. Its log has what was asked, in order.
type consul struct {
	mu         sync.Mutex
	refuses    bool
	leaderless bool
	unusable   bool // the token that it makes cannot be read
	log        []string
}

func (c *consul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var in struct{ AuthMethod string }
	_ = json.NewDecoder(r.Body).Decode(&in) // a logout has none
	switch token := r.Header.Get("X-Consul-Token"); {
	case r.URL.Path == "/v1/acl/login" && c.refuses:
		http.Error(w, "Permission denied", http.StatusForbidden)
	case r.URL.Path == "/v1/acl/login" && c.leaderless:
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	case r.URL.Path == "/v1/acl/login":
		c.log = append(c.log, "login "+in.AuthMethod)
		fmt.Fprintf(w, `{"AccessorID":"a","SecretID":"token of %s"}`, in.AuthMethod)
	case r.URL.Path == "/v1/acl/token/self" && c.unusable:
		http.Error(w, "ACL not found", http.StatusForbidden)
	case r.URL.Path == "/v1/acl/token/self":
		fmt.Fprint(w, `{"AccessorID":"a"}`)
	case r.URL.Path == "/v1/acl/logout":
		c.log = append(c.log, "logout "+token)
	}
}

func (c *consul) asked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.log, ", ")
}

func bed(t *testing.T, wait time.Duration) (*consul, *Tokens) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_REGION": "", "AWS_CONFIG_FILE": "/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	c := &consul{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, New(Config{Wait: wait, Login: &Login{IAM: iam.Config{Server: server.URL, Method: "service"}, AgentMethod: "agent", Region: "eu-west-3"}})
}

// agentUnit is a unit that notes its token, and ends when it is asked to.
type agentUnit struct {
	tokens *Tokens
	had    string
}

func (a *agentUnit) Run(_ context.Context, ready func(), stop <-chan struct{}) error {
	a.had = a.tokens.Agent()
	ready()
	<-stop
	return nil
}

// live runs a unit until it is ready or has ended, then stops it.
func live(t *testing.T, u Runner) (ready bool, err error) {
	t.Helper()
	up, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { ended <- u.Run(t.Context(), func() { close(up) }, stop) }()
	select {
	case <-up:
	case err := <-ended:
		return false, err
	case <-time.After(patience):
		t.Fatal("neither ready nor ended")
	}
	close(stop)
	return true, <-ended
}

// Service and agent have a login each, while they live.
func TestLogins(t *testing.T) {
	c, tokens := bed(t, patience)
	ready, err := live(t, &Unit{Tokens: tokens, Grace: func() time.Duration { return patience }})
	if !ready || err != nil || tokens.Service() != "token of service" {
		t.Errorf("ready %v, %v, token %q", ready, err, tokens.Service())
	}
	agent := &agentUnit{tokens: tokens}
	if ready, err = live(t, tokens.ForAgent(agent, nil)); !ready || err != nil || agent.had != "token of agent" {
		t.Errorf("agent: ready %v, %v, token %q", ready, err, agent.had)
	}
	if got, want := c.asked(), "login service, logout token of service, login agent, logout token of agent"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// A login that fails until the end of the wait ends the task with 203, and leaves no token.
func TestLoginFails(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*consul)
		code   event.Code
		says   string
		asked  string
	}{
		"refused":      {func(c *consul) { c.refuses = true }, event.LoginRefused, "Permission denied", ""},
		"not readable": {func(c *consul) { c.unusable = true }, event.LoginRefused, "ACL not found", "login %[1]s, logout token of %[1]s"},
		"no leader":    {func(c *consul) { c.leaderless = true }, event.Login, "No cluster leader", ""},
	} {
		for _, method := range []string{"service", "agent"} {
			con, tokens := bed(t, time.Millisecond)
			c.change(con)
			unit := Runner(&Unit{Tokens: tokens})
			if method == "agent" {
				unit = tokens.ForAgent(&agentUnit{tokens: tokens}, nil)
			}
			ready, err := live(t, unit)
			cause := event.CauseOf(err)
			if ready || cause == nil || cause.Code != c.code || c.code.Exit() != 203 || cause.Facts["method"] != method || !strings.Contains(err.Error(), "acl.login: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s %s: ready %v, %v, %+v", method, name, ready, err, cause)
			}
			want := c.asked
			if want != "" {
				want = fmt.Sprintf(want, method)
			}
			if got := con.asked(); got != want {
				t.Errorf("%s %s: asked %q, want %q", method, name, got, want)
			}
		}
	}
}

// A stop ends a wait, for a secret or for a login, at once and in good order.
func TestStopEndsAWait(t *testing.T) {
	c, logins := bed(t, time.Hour)
	c.refuses = true
	ref := parse(t, arn)
	secrets := New(Config{References: []secret.Ref{ref}, Wait: time.Hour, Store: store(func(context.Context, secret.Ref) (secret.String, error) {
		return "", secret.ErrNotYet
	})})
	stop := make(chan struct{})
	var once sync.Once
	waiting := func(e event.Event) {
		if _, ok := e.(event.Waiting); ok {
			once.Do(func() { close(stop) })
		}
	}
	for name, unit := range map[string]func() Runner{
		"secret":  func() Runner { return &Unit{Tokens: secrets, Report: waiting} },
		"service": func() Runner { return &Unit{Tokens: logins, Report: waiting} },
		"agent":   func() Runner { return logins.ForAgent(&agentUnit{tokens: logins}, waiting) },
	} {
		stop, once = make(chan struct{}), sync.Once{}
		if err := unit().Run(t.Context(), func() { t.Errorf("%s: ready", name) }, stop); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
