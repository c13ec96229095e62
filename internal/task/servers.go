package task

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"meshtask/acl"
	"meshtask/consulservers"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/envoy/warmup"
	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/registration"
	"meshtask/internal/secret"
	"meshtask/internal/statedir"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// servers are the Consul servers of a task without a client agent.
type servers struct {
	plan     *plan.Plan
	dir      *statedir.Dir
	finder   *consulservers.Finder
	secretOf func(secret.Ref) string // the CA of a port
	wide     chan struct{}           // closed when Envoy is live for the first time, or its server is full
	once     sync.Once
	warm     func() *warmup.Stream // opens Envoy's stream ahead of it; nil: nobody does
	ahead    atomic.Pointer[warmup.Stream]
	written  []string // of the list that Envoy watches; of meshInit's goroutine alone
	warn     func(msg string, args ...any)
}

// finding makes what looks for the servers; nil where the task has an agent.
func (t *task) finding() *consulservers.Finder {
	s := t.plan.Servers
	if s == nil {
		return nil
	}
	endpoint := func(e plan.Endpoint) consulservers.Endpoint {
		out := consulservers.Endpoint{Port: e.Port}
		if e.TLS {
			out.TLS = func() (*tls.Config, error) { return t.trust(e) }
		}
		return out
	}
	report := t.report(lifecycle.MeshInit)
	if t.plan.Tokens.Login != nil { // it is the first that needs one
		report = t.report(lifecycle.Token)
	}
	return consulservers.NewFinder(consulservers.FinderConfig{Hosts: s.Hosts, HTTP: endpoint(s.HTTP), GRPC: endpoint(s.GRPC), Limit: s.JoinTimeout,
		Exec: t.printed, Report: report,
		Call: registration.CallerConfig{Token: func() string { return t.tokens.Service() }, Registration: *t.plan.Service, Report: t.report(lifecycle.MeshInit),
			Fix: "a server must lead; a new token takes a moment to reach all servers"}})
}

// trust is what a certificate of a server must be by.
func (t *task) trust(e plan.Endpoint) (*tls.Config, error) {
	c := &tls.Config{ServerName: e.ServerName, MinVersion: tls.VersionTLS12}
	if e.CACert.IsZero() {
		return c, nil // the system's
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM([]byte(t.secretOf(e.CACert))) {
		return nil, event.Because(event.ConsulCertificate, fmt.Errorf("%s holds no certificate in PEM", e.CACert), event.FactCase, event.CaseServers)
	}
	return c, nil
}

// printed runs the command of exec=.
func (t *task) printed(ctx context.Context, command string) ([]byte, error) {
	argv := strings.Fields(command)
	path, err := supervisor.Look(argv[0], variable(t.d.Env, "PATH"))
	if err != nil {
		return nil, err
	}
	left := time.Minute
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end)
	}
	argv[0] = path
	env := plan.Environment{Remove: t.plan.Remove}.Of(t.d.Env, nil)
	return t.sup.Output(ctx, supervisor.Spec{Name: "exec", Argv: argv, Env: env}, left)
}

// meetServers makes the client of the servers.
func (m *mesh) meetServers() {
	s := m.plan.Servers
	m.servers = &servers{plan: m.plan, dir: m.d.Dir, finder: m.finder, wide: make(chan struct{}), warn: m.d.Log.Warn, secretOf: m.secretOf}
	if s.WarmUp {
		m.servers.warm = m.warmUp
	}
	m.consul = consulservers.New(consulservers.Config{Finder: m.finder, Node: s.Node, Registration: *m.plan.Service, Names: s.Names,
		Synced: m.plan.Health.SyncedChecks(), Token: m.tokens.Service, TokenWait: m.plan.Tokens.Wait, AccessorMeta: acl.MetaAccessor,
		Report: m.report(lifecycle.MeshInit)})
}

// into completes a bootstrap with where the servers are.
func (s *servers) into(b *envoy.Bootstrap) {
	p := s.plan.Servers
	b.NodeName = p.Node.Name
	b.Servers = &bootstrap.Servers{File: s.dir.Path(plan.ServersFile), TLS: p.GRPC.TLS, CA: s.secretOf(p.GRPC.CACert), ServerName: p.GRPC.ServerName}
	first, err := s.finder.First(context.Background()) // it is known: the registration stands
	if err != nil {
		return
	}
	b.Command.HTTP, b.Command.CA, b.Command.ServerName = strings.TrimPrefix(first.HTTP, "http://"), s.secretOf(p.HTTP.CACert), p.HTTP.ServerName
}

// begin has Envoy start at the server that all was done with: the others may not know of it yet.
// That server makes its configuration from now on.
func (s *servers) begin() error {
	if s.warm != nil {
		s.ahead.Store(s.warm())
	}
	return s.write(s.finder.All()[:1])
}

// write replaces the list that Envoy watches, if it has changed.
func (s *servers) write(list []string) error {
	if slices.Equal(list, s.written) {
		return nil
	}
	doc, err := bootstrap.ServersDocument(list)
	if err == nil {
		err = s.dir.Write(plan.ServersFile, doc)
	}
	if err != nil {
		return event.Because(event.StateDirectory, fmt.Errorf("the list of servers for Envoy: %w", err))
	}
	s.written = list
	return nil
}

// followEvery is how often the servers are asked which of them there are.
const (
	followEvery = 20 * time.Second
	followLimit = 15 * time.Second
)

// keep has Envoy know all servers once it may, and those that come and go later.
func (s *servers) keep(ctx context.Context) {
	select {
	case <-s.wide:
	case <-ctx.Done():
		return
	}
	failed := false
	for {
		var err error
		if s.plan.Servers.Follow {
			call, cancel := context.WithTimeout(ctx, followLimit)
			err = s.finder.Refresh(call)
			cancel()
		}
		if err == nil {
			err = s.write(s.finder.All())
		}
		if err != nil && !failed && ctx.Err() == nil {
			s.warn("the list of Consul servers is not renewed, Envoy keeps the present one", "error", err)
		}
		if failed = err != nil; !failed && !s.plan.Servers.Follow {
			return
		}
		select {
		case <-time.After(followEvery*9/10 + rand.N(followEvery/5)):
		case <-ctx.Done():
			return
		}
	}
}

// widen lets Envoy know all servers, and gives up the stream ahead of its own: Envoy is live, or
// there may be no room at its server for both.
func (s *servers) widen() {
	s.once.Do(func() { close(s.wide) })
	if stream := s.ahead.Swap(nil); stream != nil {
		stream.Close()
	}
}

// url is the HTTP API of the server that the login goes to.
func (t *task) url(ctx context.Context) (string, error) {
	s, err := t.finder.First(ctx)
	if err != nil {
		return "", err
	}
	return s.HTTP, nil
}

// warmUp opens a stream with Envoy's identity at the server of the start.
func (m *mesh) warmUp() *warmup.Stream {
	s, err := m.finder.First(m.ctx) // it is known
	if err != nil {
		return nil
	}
	r := m.plan.Service
	return warmup.Open(m.ctx, warmup.Config{Address: s.GRPC, TLS: s.TLS(), NodeID: r.ProxyID(), Cluster: r.Name, NodeName: m.plan.Servers.Node.Name,
		Namespace: r.Namespace, Partition: r.Partition, Token: m.tokens.Service()})
}
