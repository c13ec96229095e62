package registration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/consulapi"
	"meshtask/internal/event"
	"meshtask/internal/retry"
)

const (
	callLimit             = 2 * time.Second // of one call, the servers' share included
	firstRetry, lastRetry = 20 * time.Millisecond, time.Second
)

// CallerConfig is what a Caller needs; only Address is required.
type CallerConfig struct {
	Who     string        // of whom errors speak; "" is "the agent"
	Address string        // HOST:PORT for plain http, or a URL
	TLS     *tls.Config   // of https
	Token   func() string // asked at each call, "" is none; nil is none
	Timeout time.Duration // of one call; 0 is 2 s

	Registration Registration // whose namespace and partition calls are for, and errors speak of
	Report       event.Report // what Retry waits for; nil = none
	Fix          string       // what helps while it waits
}

// Caller makes the calls of one task to one agent or server. Its methods may be called side by
// side; each call ends with its ctx, or after Timeout.
type Caller struct {
	CallerConfig
	api      *api.Client
	carrier  *http.Client // of the calls of api
	unusable error        // why there is no api
}

// NewCaller sets the defaults. It does not connect.
func NewCaller(cfg CallerConfig) *Caller {
	if cfg.Who == "" {
		cfg.Who = "the agent"
	}
	if cfg.Token == nil {
		cfg.Token = func() string { return "" }
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = callLimit
	}
	cfg.Report = cfg.Report.Or()
	c := &Caller{CallerConfig: cfg}
	c.api, c.carrier, c.unusable = consulapi.New(consulapi.Config{Address: cfg.Address, TLS: cfg.TLS, Dial: cfg.Timeout})
	return c
}

// Close drops idle connections.
func (c *Caller) Close() { c.carrier.CloseIdleConnections() }

// Call makes one call, within Timeout at most. Its options have the token, and namespace and
// partition, which only Consul Enterprise takes.
func (c *Caller) Call(ctx context.Context, token string, do func(a *api.Client, q *api.QueryOptions) error) error {
	if c.unusable != nil {
		return c.unusable
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	q := &api.QueryOptions{Token: token, Namespace: c.Registration.Namespace, Partition: c.Registration.Partition}
	return Answered(c.Who, do(c.api, q.WithContext(ctx)))
}

// Do makes a request that the library has no call for, by the same connections.
func (c *Caller) Do(r *http.Request) (*http.Response, error) {
	answer, err := c.carrier.Do(r)
	return answer, Answered(c.Who, err)
}

// Leader is the leader that the servers know of, "" when there is none now. An agent that has
// not joined answers with an error.
func (c *Caller) Leader(ctx context.Context) (leader string, err error) {
	err = c.Call(ctx, c.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		leader, err = a.Status().LeaderWithQueryOptions(q)
		return err
	})
	return leader, err
}

// Accessor is the accessor ID of a token, by the servers' word; "" where ACLs are off. A
// token that they do not know (yet) is an error.
func (c *Caller) Accessor(ctx context.Context, token string) (string, error) {
	var self *api.ACLToken
	err := c.Call(ctx, token, func(a *api.Client, q *api.QueryOptions) (err error) {
		q.AllowStale = true
		self, _, err = a.ACL().TokenReadSelf(q)
		return err
	})
	switch {
	case Status(err, http.StatusUnauthorized): // "ACL support disabled"
		return "", nil
	case err != nil:
		return "", err
	}
	return self.AccessorID, nil
}

// AwaitToken reads the token itself until the servers know it, at most until end, and returns
// its accessor ID. An agent that is made to look for it too early remembers for 30 s that there
// is none; this call makes it not look.
func (c *Caller) AwaitToken(ctx context.Context, end time.Time, token string) (accessor string, err error) {
	if token == "" {
		return "", nil
	}
	err = c.Retry(ctx, Deadlines{end, end}, "the ACL token", func() error {
		accessor, err = c.Accessor(ctx, token)
		return err
	})
	return accessor, err
}

// inFlight is how long a write that is cut is waited for. An agent or server takes 10 ms; one of
// 300 ms and more was seen on a busy machine.
const inFlight = time.Second

// Write is Call for a registration, which it keeps going for a second after ctx is done: whoever has
// got it carries it out all the same, and might do so after a deregistration that comes next. A ctx
// that is done already stays so.
func (c *Caller) Write(ctx context.Context, token string, do func(a *api.Client, q *api.QueryOptions) error) error {
	if ctx.Err() != nil {
		return c.Call(ctx, token, do)
	}
	longer, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() {
		timer := time.NewTimer(inFlight)
		defer timer.Stop()
		select {
		case <-timer.C:
			cut()
		case <-longer.Done():
		}
	})()
	return c.Call(longer, token, do)
}

// DeregisterCatalog takes something out of the servers' catalog.
func (c *Caller) DeregisterCatalog(ctx context.Context, what api.CatalogDeregistration, token string) error {
	what.Namespace, what.Partition = c.Registration.Namespace, c.Registration.Partition
	return c.Call(ctx, token, func(a *api.Client, q *api.QueryOptions) error {
		_, err := a.Catalog().Deregister(&what, (&api.WriteOptions{Token: token}).WithContext(q.Context()))
		return err
	})
}

// Gone looks, by the leader's word, whether service and sidecar are out of the catalog. The
// error says why the result is Unverified.
func (c *Caller) Gone(ctx context.Context, node string) (Result, error) {
	var list *api.CatalogNodeServiceList
	var meta *api.QueryMeta
	r := c.Registration
	err := c.Call(ctx, c.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		q.RequireConsistent = true
		q.Filter = fmt.Sprintf("ID == %q or ID == %q", r.ServiceID(), r.ProxyID())
		list, meta, err = a.Catalog().NodeServiceList(node, q)
		return err
	})
	if err != nil {
		return Unverified, fmt.Errorf("cannot look into the catalog: %w", c.Explain(err))
	}
	for _, s := range list.Services {
		if id := s.ID; id == r.ServiceID() || id == r.ProxyID() {
			return Unverified, fmt.Errorf("the catalog still has %s", id)
		}
	}
	if list.Node == nil && meta.ResultsFilteredByACLs {
		return Unverified, errors.New("cannot look into the catalog: the token may not read the node (node:read)")
	}
	return Verified, nil
}

// Deadlines end the tries of something that fails because a token is not known, or for any
// other reason.
type Deadlines struct{ Token, Other time.Time }

func (d Deadlines) after(err error) time.Time {
	if ACLNotFound(err) {
		return d.Token
	}
	return d.Other
}

// Retry repeats try until it succeeds, is refused, ctx is done, or it has failed at its
// deadline or later: the last try is at the deadline.
func (c *Caller) Retry(ctx context.Context, ends Deadlines, what string, try func() error) error {
	began, pauses := time.Now(), retry.Backoff{First: firstRetry, Max: lastRetry}
	var last error // that an answer gave: it says more than a call that was cut
	for {
		err := try()
		if err == nil {
			return nil
		}
		explained := c.Explain(err)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) && last != nil {
			return last
		}
		if ctx.Err() != nil || refused(err) {
			return explained
		}
		left := time.Until(ends.after(err))
		if left <= 0 {
			return fmt.Errorf("%w, after %s", explained, time.Since(began).Round(time.Millisecond))
		}
		last = explained
		c.Report(event.WaitingFor(event.Register, what, explained, c.Fix))
		timer := time.NewTimer(min(pauses.Next(), left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return explained
		}
	}
}

// refused: to ask again would not help.
func refused(err error) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && (Denied(err) || e.Code == http.StatusBadRequest)
}

// Explain says what a refused token lacks.
func (c *Caller) Explain(err error) error {
	switch r := c.Registration; {
	case err == nil:
		return nil
	case event.CauseOf(err) != nil: // whoever called it knows better
		return err
	case Denied(err):
		facts := []string{"service", r.Name, event.FactSaid, Reply(err)}
		if c.Token() == "" {
			facts = append(facts, event.FactCase, event.CaseNone)
		}
		names := fmt.Sprintf("%q", r.Name)
		if r.ProxyName() != r.Name {
			names += fmt.Sprintf(" and %q", r.ProxyName())
		}
		err = fmt.Errorf("the token needs service:write on %s: %w", names, err)
		return event.Because(event.RegisterDenied, err, facts...)
	case ACLNotFound(err):
		return event.Because(event.RegisterTokenUnknown, fmt.Errorf("the token is not known to Consul (yet): %w", err), event.FactSaid, Reply(err))
	case Status(err, http.StatusBadRequest):
		return event.Because(event.RegisterRefused, err, event.FactSaid, Reply(err))
	}
	return err
}
