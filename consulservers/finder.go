// Package consulservers is a task's way to Consul without a client agent: it finds the servers,
// keeps service, sidecar and checks in their catalog, and takes them out again.
//
// It does not know when any of this is to happen, what makes a check pass, or how Envoy works.
package consulservers

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/retry"
)

// Endpoint is one port of every server.
type Endpoint struct {
	Port int
	TLS  func() (*tls.Config, error) // asked when the secrets are there; nil: plain
}

// FinderConfig is what a Finder needs.
type FinderConfig struct {
	Hosts      []string // addresses, names, or exec=CMD
	HTTP, GRPC Endpoint
	Limit      time.Duration // longest look for the first server

	Resolve func(ctx context.Context, name string) ([]netip.Addr, error) // nil: the system's
	Exec    func(ctx context.Context, command string) ([]byte, error)    // runs the command of exec=

	Call   registration.CallerConfig // of every server: Address and TLS are filled in
	Report event.Report
}

// Server is one of them.
type Server struct {
	Address netip.Addr
	HTTP    string // URL
	GRPC    string // IP:PORT
	http    *tls.Config
	grpc    *tls.Config
	call    *registration.Caller
}

// TLS is what a connection to its xDS is to be made with; nil: plain.
func (s *Server) TLS() *tls.Config { return s.grpc }

// Finder knows the servers, and which of them this task speaks to. Its methods may be called
// side by side.
type Finder struct {
	cfg FinderConfig

	look    sync.Mutex // held by the one that looks for a server
	mu      sync.Mutex
	known   []*Server // the one that is spoken to first
	current *Server   // nil: none yet, or it has failed
}

const (
	askLimit              = 1500 * time.Millisecond // of one server whether it serves
	execLimit             = 10 * time.Second
	firstPause, lastPause = 50 * time.Millisecond, time.Second
)

// NewFinder sets the defaults. It asks nobody.
func NewFinder(c FinderConfig) *Finder {
	if c.Resolve == nil {
		c.Resolve = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
	}
	c.Report = c.Report.Or()
	return &Finder{cfg: c}
}

// Close drops idle connections.
func (f *Finder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.known {
		s.call.Close()
	}
}

// First is the server of the start: everything is done with one, since what is written at a
// server reaches the others later. The first call looks for one, for Limit at most, and reports
// what it waits for. Its error has a cause code.
func (f *Finder) First(ctx context.Context) (*Server, error) {
	f.look.Lock()
	defer f.look.Unlock()
	if s := f.now(); s != nil {
		return s, nil
	}
	defer f.cfg.Report(event.WaitOver{})
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Limit)
	defer cancel()
	pauses := retry.Backoff{First: firstPause, Max: lastPause}
	var last error // of a round that was not cut: it says more
	for {
		s, err := f.round(ctx)
		if err == nil {
			return s, nil
		}
		if _, final := errors.AsType[*settingsError](err); final {
			return nil, err
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if ctx.Err() == nil {
			f.cfg.Report(event.WaitingFor(event.ConsulUnreachable, "a Consul server", err, joinHint))
		}
		timer := time.NewTimer(pauses.Next())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, wrap(last, fmt.Sprintf("no Consul server is reached within %v", f.cfg.Limit))
		}
	}
}

const joinHint = "check consulServers.hosts, and that this task may reach the servers' HTTP and gRPC ports"

// now is the server that is spoken to; nil: none.
func (f *Finder) now() *Server {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// round asks every server once, those that are known first.
func (f *Finder) round(ctx context.Context) (*Server, error) {
	f.mu.Lock()
	tried := slices.Clone(f.known)
	f.mu.Unlock()
	if len(tried) == 0 {
		var err error
		if tried, err = f.discover(ctx); err != nil {
			return nil, err
		}
	}
	s, err := f.firstOf(ctx, tried)
	if s == nil {
		f.mu.Lock()
		f.known = nil // look them up anew
		f.mu.Unlock()
	}
	return s, err
}

// firstOf speaks to the first of a list that serves from now on. The error is that of the last one
// that was asked in full; nil, nil is an empty list.
func (f *Finder) firstOf(ctx context.Context, list []*Server) (*Server, error) {
	var last error
	for _, s := range list {
		err := f.serves(ctx, s)
		if err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.current, f.known = s, list
			return s, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
	}
	return nil, last
}

// serves says whether a server knows a leader, and whether both ports speak as they are to.
func (f *Finder) serves(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	xds := make(chan error, 1)
	go func() { xds <- greet(ctx, s) }()
	leader, err := s.call.Leader(ctx)
	if err != nil {
		<-xds
		return explain(err, s.HTTP[strings.Index(s.HTTP, "//")+2:], "consulServers.http")
	}
	if err := <-xds; err != nil {
		return explain(err, s.GRPC, "consulServers.grpc")
	}
	if leader == "" {
		return event.Because(event.ConsulNoLeader, fmt.Errorf("the Consul server %s knows no leader", s.Address), event.FactCase, event.CaseServers)
	}
	return nil
}

// lost says that a server does not answer as it should: the next call goes to another.
func (f *Finder) lost(s *Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != s {
		return
	}
	f.known = append(slices.DeleteFunc(slices.Clone(f.known), func(o *Server) bool { return o == s }), s)
	f.current = f.known[0]
}

// All are the servers' xDS, the one that is spoken to first.
func (f *Finder) All() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != nil {
		list = append(list, f.current.GRPC)
	}
	for _, s := range f.known {
		if s != f.current {
			list = append(list, s.GRPC)
		}
	}
	return list
}

// Refresh asks the servers which of them there are, and keeps to those. Where none of those that
// are known answers, the hosts are looked up anew.
func (f *Finder) Refresh(ctx context.Context) error {
	err := errors.New("no server is known")
	for range f.All() {
		s := f.now()
		if err = f.ask(ctx, s); err == nil {
			return nil
		}
		f.lost(s)
	}
	list, lookUp := f.discover(ctx)
	if lookUp != nil {
		return errors.Join(err, lookUp)
	}
	if s, _ := f.firstOf(ctx, list); s != nil { // err says more: it is of servers that have served
		return nil
	}
	return err
}

// ask asks one server for all.
func (f *Finder) ask(ctx context.Context, s *Server) error {
	var entries []*api.ServiceEntry
	if err := s.call.Call(ctx, s.call.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		q.AllowStale, q.Namespace, q.Partition = true, "", ""
		entries, _, err = a.Health().Service("consul", "", true, q)
		return err
	}); err != nil {
		return err
	}
	var list []*Server
	for _, e := range entries {
		address, err := netip.ParseAddr(cmp.Or(e.Service.Address, e.Node.Address))
		if err != nil {
			continue
		}
		one, err := f.reuse(address, f.grpcPort(e.Service.Meta))
		if err != nil {
			return err
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil // the token may not see them, or none passes: what is known stays
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = list
	if !slices.Contains(list, f.current) {
		f.current = list[0]
	}
	return nil
}

// reuse is a server that is known, or a new one.
func (f *Finder) reuse(a netip.Addr, grpcPort int) (*Server, error) {
	f.mu.Lock()
	known := slices.Clone(f.known)
	f.mu.Unlock()
	at := net.JoinHostPort(a.String(), strconv.Itoa(grpcPort))
	if i := slices.IndexFunc(known, func(s *Server) bool { return s.Address == a && s.GRPC == at }); i >= 0 {
		return known[i], nil
	}
	return f.server(a, grpcPort)
}

// grpcPort is what a server says of itself, if it is of the kind that is wanted.
func (f *Finder) grpcPort(meta map[string]string) int {
	key := "grpc_port"
	if f.cfg.GRPC.TLS != nil {
		key = "grpc_tls_port"
	}
	if p, err := strconv.Atoi(meta[key]); err == nil && p > 0 {
		return p
	}
	return f.cfg.GRPC.Port
}
