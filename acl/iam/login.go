package iam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/retry"
	"meshtask/internal/secret"
)

// What consul-ecs stamps into the token's description; controllers find the
// tokens of ended tasks by them.
const (
	metaTask    = "consul.hashicorp.com/task-id"
	metaCluster = "consul.hashicorp.com/cluster"
)

const (
	callLimit  = 10 * time.Second       // of one call; Consul's servers ask AWS twice meanwhile
	lastCall   = time.Second            // what the last call, at the end of a wait, has at least
	firstPause = 250 * time.Millisecond // doubles to lastPause
	lastPause  = 5 * time.Second
	lookPause  = 100 * time.Millisecond // between looks at a token that is not replicated yet
)

// Config says how to log in.
type Config struct {
	Server     string // a Consul server's HTTP API: URL or HOST:PORT
	CAPEM      []byte // of the server's certificate; nil: the system's
	ServerName string // in that certificate; empty: the host of Server
	Method     string // the auth method's name; default iam-ecs-service-token
	Datacenter string // of the auth method; empty: the server's
	Partition  string // Enterprise. Auth methods live in its default namespace; where the token does, their rules say

	TaskID  string            // goes into the token's description
	Cluster string            // ARN of the ECS cluster; likewise
	Meta    map[string]string // more of that; the two keys above win

	Credentials aws.CredentialsProvider // of the task role
	Region      string                  // of STS
	STSEndpoint string                  // URL; empty: AWS's own for Region
	IAMEndpoint string                  // URL; empty: AWS's own
	ServerID    string                  // the method's ServerIDHeaderValue, if it has one
	// Entity adds a signed iam:GetRole request, for methods with
	// EnableIAMEntityDetails. The role needs iam:GetRole on itself.
	Entity bool

	// Report gets an event.Waiting at each failure, and event.WaitOver at the end;
	// nil: nobody listens.
	Report event.Report
}

// Token is what a login gave.
type Token struct {
	AccessorID string
	SecretID   secret.String
}

// Client logs in to one Consul. Close it after the last call.
type Client struct {
	cfg    Config
	consul *api.Client
	aws    *http.Client
	close  func()
}

// New checks the configuration; it connects to nothing.
func New(cfg Config) (*Client, error) {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("iam login: "+what))
		}
	}
	need(cfg.Server != "", "the Consul server's address is missing")
	need(cfg.Credentials != nil, "no AWS credentials")
	need(cfg.Region != "", "the AWS Region is missing: set acl.login.region or AWS_REGION")
	need(strings.Trim(cfg.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") == "",
		fmt.Sprintf("the AWS Region %q is none: write one such as eu-west-1 into acl.login.region or AWS_REGION", cfg.Region))
	if cfg.Method == "" {
		cfg.Method = "iam-ecs-service-token"
	}
	cfg.Report = cfg.Report.Or()
	need(len(cfg.CAPEM) == 0 || strings.HasPrefix(cfg.Server, "https://"),
		fmt.Sprintf("a CA certificate is given, but the Consul server's address %q is not https, so nobody would check it: write https://HOST:PORT", cfg.Server))
	c, transport, err := consul(cfg)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	plain := newTransport()
	return &Client{cfg: cfg, consul: c, aws: httpClient(plain),
		close: func() { transport.CloseIdleConnections(); plain.CloseIdleConnections() }}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.close() }

func consul(cfg Config) (*api.Client, *http.Transport, error) {
	transport := newTransport()
	tls, err := api.SetupTLSConfig(&api.TLSConfig{CAPem: cfg.CAPEM, Address: cfg.ServerName})
	if err != nil {
		return nil, nil, fmt.Errorf("iam login: the CA certificate: %w", err)
	}
	transport.TLSClientConfig = tls
	c, err := api.NewClient(&api.Config{Address: cfg.Server, HttpClient: httpClient(transport)})
	if err != nil {
		return nil, nil, fmt.Errorf("iam login: the Consul server's address: %w", err)
	}
	return c, transport, nil
}

// httpClient follows no redirect: net/http would send X-Consul-Token and the
// proof to wherever the answer points.
func httpClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: bounded{t}, Timeout: callLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// maxAnswer is what is read of an answer; real ones have 1 or 2 KiB.
const maxAnswer = 64 << 10

// bounded lets at most maxAnswer of an answer be read; a longer one is an error.
type bounded struct{ transport http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: callLimit}).DialContext,
		TLSHandshakeTimeout: callLimit,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
	}
}

// Login logs in and returns once the token can be read at the server, which
// may be later: a follower learns of it, and of "ACL not found" remembers for
// 30 s what it said too early. Each attempt is signed afresh. It tries for wait,
// the last time at its end, or until ctx ends; the error then holds the last
// answer, its code, and the token if one was made.
func (c *Client) Login(ctx context.Context, wait time.Duration) (Token, error) {
	defer c.cfg.Report(event.WaitOver{})
	var t *api.ACLToken
	end := time.Now().Add(wait)
	err := c.until(ctx, end, "login with the task's IAM role", firstPause, func(ctx context.Context) (hint string, err error) {
		t, hint, err = c.attempt(ctx)
		return hint, err
	})
	if err != nil {
		return Token{}, err
	}
	token := Token{AccessorID: t.AccessorID, SecretID: secret.String(t.SecretID)}
	err = c.until(ctx, end, "the new token to be replicated", lookPause, func(ctx context.Context) (string, error) {
		q := c.query(token.SecretID)
		q.AllowStale = true
		_, _, err := c.consul.ACL().TokenReadSelf(q.WithContext(ctx))
		return "followers learn of a token after some milliseconds, or 30 s after they were asked too early", c.cfg.answered(err)
	})
	if err != nil {
		return token, err
	}
	return token, nil
}

// attempt is one login.
func (c *Client) attempt(ctx context.Context) (t *api.ACLToken, hint string, err error) {
	creds, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, "give the task a task role (taskRoleArn)", c.cfg.because(event.LoginRole, fmt.Errorf("AWS credentials: %w", err))
	}
	role := ""
	if c.cfg.Entity {
		if role, err = ownRole(ctx, c.aws, creds, c.cfg); err != nil {
			return nil, "the task must reach STS", c.cfg.because(event.Login, err)
		}
	}
	proof, err := bearer(ctx, creds, c.cfg, role, time.Now())
	if err != nil {
		return nil, "check acl.login", c.cfg.because(event.Login, err)
	}
	meta := maps.Clone(c.cfg.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[metaTask], meta[metaCluster] = c.cfg.TaskID, c.cfg.Cluster
	write := &api.WriteOptions{Datacenter: c.cfg.Datacenter, Partition: c.cfg.Partition}
	t, _, err = c.consul.ACL().Login(&api.ACLLoginParams{AuthMethod: c.cfg.Method, BearerToken: proof, Meta: meta}, write.WithContext(ctx))
	return t, hintFor(err, c.cfg), c.cfg.answered(err)
}

// Logout destroys the token; one that is gone is fine. It tries for wait, or
// until ctx ends.
func (c *Client) Logout(ctx context.Context, t Token, wait time.Duration) error {
	defer c.cfg.Report(event.WaitOver{})
	return c.until(ctx, time.Now().Add(wait), "logout", firstPause, func(ctx context.Context) (string, error) {
		write := &api.WriteOptions{Token: t.SecretID.Reveal(), Datacenter: c.cfg.Datacenter}
		_, err := c.consul.ACL().Logout(write.WithContext(ctx))
		if notFound(err) {
			return "", nil
		}
		return "", clean(err)
	})
}

func (c *Client) query(token secret.String) *api.QueryOptions {
	return &api.QueryOptions{Token: token.Reveal(), Datacenter: c.cfg.Datacenter}
}

// until repeats do until it succeeds, ctx ends, or it has failed at end or later.
func (c *Client) until(ctx context.Context, end time.Time, what string, pause time.Duration, do func(context.Context) (hint string, err error)) error {
	began, pauses := time.Now(), retry.Backoff{First: pause, Max: lastPause}
	var last error
	for {
		limit := min(callLimit, max(lastCall, time.Until(end)))
		one, cancel := context.WithTimeout(ctx, limit)
		hint, err := do(one)
		cut := limit < callLimit && errors.Is(one.Err(), context.DeadlineExceeded)
		cancel()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil && !cut {
			last = err // the error of a call that had no time would hide the reason
		}
		left := time.Until(end)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, errors.Join(last, context.Cause(ctx)))
		case left <= 0:
			return fmt.Errorf("%s: %w (tried for %s)", what, last, time.Since(began).Round(time.Millisecond))
		}
		c.cfg.Report(event.WaitingFor("", what, last, hint))
		timer := time.NewTimer(min(pauses.Next(), left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", what, errors.Join(last, context.Cause(ctx)))
		case <-timer.C:
		}
	}
}

// hintFor says what usually fixes a refused login.
func hintFor(err error, c Config) string {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case strings.Contains(text, "is not trusted"):
		return "add the task role to BoundIAMPrincipalARNs of auth method " + c.Method
	case strings.Contains(text, "auth method") && strings.Contains(text, "not found"):
		return "check that there is an auth method " + c.Method
	case strings.Contains(text, "no roles or policies"), strings.Contains(text, "Permission denied"):
		return "check that a binding rule of auth method " + c.Method + " matches this role"
	case strings.Contains(text, "X-Consul-IAM-GetEntity"):
		return "the method wants entity details: set acl.login.includeEntity"
	case strings.Contains(text, "GetRole"), strings.Contains(text, "AccessDenied"):
		return "the task role needs iam:GetRole on itself"
	}
	return "check that the Consul server answers, and that it reaches STS and IAM"
}

func notFound(err error) bool {
	return err != nil && strings.Contains(err.Error(), "ACL not found")
}

// clean bounds an error's text: a server's answer may quote what was sent.
func clean(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	return errors.New(text)
}
