package consulservers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/event"
	"meshtask/internal/registration"
)

// find makes a finder of these hosts whose ports are those of a catalog at 127.0.0.1.
func find(t *testing.T, edit func(*FinderConfig), hosts ...string) (*Finder, *catalog) {
	t.Helper()
	c, _, port := serve(t, "127.0.0.1")
	cfg := FinderConfig{Hosts: hosts, HTTP: Endpoint{Port: port}, GRPC: Endpoint{Port: xds(t, "127.0.0.1")}, Limit: time.Minute, Call: registration.CallerConfig{Registration: web()}}
	if edit != nil {
		edit(&cfg)
	}
	f := NewFinder(cfg)
	t.Cleanup(f.Close)
	return f, c
}

// first looks for a server until there is one, or the first round has failed: the wait says why.
func first(t *testing.T, cfg FinderConfig) (*Server, *event.Waiting) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var waits *event.Waiting
	cfg.Limit, cfg.Report = time.Minute, func(e event.Event) {
		if w, ok := e.(event.Waiting); ok && waits == nil {
			waits = &w
			cancel()
		}
	}
	f := NewFinder(cfg)
	t.Cleanup(f.Close)
	s, err := f.First(ctx)
	if (err == nil) != (waits == nil) {
		t.Fatalf("%v, but %+v", err, waits)
	}
	return s, waits
}

// Hosts are addresses, names and commands.
func TestFinderHosts(t *testing.T) {
	resolve := func(_ context.Context, name string) ([]netip.Addr, error) {
		if name != "consul.local" {
			return nil, errors.New("lookup " + name + ": no such host")
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}, nil
	}
	run := func(_ context.Context, command string) ([]byte, error) {
		return map[string][]byte{"good": []byte("127.0.0.1\n 127.0.0.9 "), "words": []byte("not found"), "silent": nil}[command], map[string]error{"bad": errors.New("exit status 1")}[command]
	}
	for host, c := range map[string]struct {
		code event.Code // "" is found
		says string
	}{
		"127.0.0.1":         {},
		"consul.local":      {},
		"exec=good":         {},
		"other.local":       {event.ConsulName, "no such host"},
		"exec=bad":          {event.ConsulName, "exit status 1"},
		"exec=words":        {event.ConsulName, `"not", which is no IP address`},
		"exec=silent":       {event.ConsulName, "it prints no address"},
		"127.0.0.1 in vain": {event.ConsulNoLeader, "knows no leader"},
	} {
		t.Run(host, func(t *testing.T) {
			f, catalog := find(t, func(c *FinderConfig) { c.Resolve, c.Exec = resolve, run }, strings.Fields(host)[0])
			if strings.Contains(host, "in vain") {
				catalog.with(func() { catalog.leader = "" })
			}
			s, waits := first(t, f.cfg)
			switch {
			case c.code == "" && (waits != nil || s.Address != netip.MustParseAddr("127.0.0.1")):
				t.Errorf("%+v, %+v", s, waits)
			case c.code != "" && (waits == nil || waits.Code != c.code || waits.Facts[event.FactCase] != event.CaseServers || !strings.Contains(waits.Err, c.says)):
				t.Errorf("%+v, want %s and %q", waits, c.code, c.says)
			}
		})
	}
}

// It looks until there is one, and reports what it waits for; a host that fails hides no other.
func TestFinderWaits(t *testing.T) {
	waits := make(chan event.Waiting, 64)
	f, c := find(t, func(c *FinderConfig) {
		c.Report = func(e event.Event) {
			if w, ok := e.(event.Waiting); ok {
				select {
				case waits <- w:
				default:
				}
			}
		}
	}, "127.0.0.2", "127.0.0.1")
	c.with(func() { c.leader = "" })
	found := make(chan error, 1)
	go func() { _, err := f.First(t.Context()); found <- err }()
	if w := <-waits; w.Code != event.ConsulNoLeader && w.Code != event.ConsulUnreachable {
		t.Errorf("it waits for %+v", w)
	}
	c.with(func() { c.leader = "x" })
	good(t, <-found)
	if all := f.All(); len(all) != 2 || !strings.HasPrefix(all[0], "127.0.0.1:") {
		t.Errorf("the servers are %v", all)
	}
}

// When the time is over, the error has the code of what the last round found.
func TestFinderGivesUp(t *testing.T) {
	f, c := find(t, func(c *FinderConfig) { c.Limit = time.Millisecond }, "127.0.0.1")
	c.with(func() { c.leader = "" })
	_, err := f.First(t.Context())
	if cause := event.CauseOf(err); cause == nil || cause.Code.Exit() != 202 || !strings.Contains(err.Error(), "no Consul server is reached within 1ms") {
		t.Errorf("%v", err)
	}
}

// TLS that cannot be set up is no reason to wait.
func TestFinderWithoutCA(t *testing.T) {
	bad := errors.New("no certificate")
	f, _ := find(t, func(c *FinderConfig) { c.GRPC.TLS = func() (*tls.Config, error) { return nil, bad } }, "127.0.0.1")
	if _, err := f.First(t.Context()); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
}

// The servers themselves say who they are: by their addresses and their gRPC ports.
func TestFinderFollows(t *testing.T) {
	f, c := find(t, nil, "127.0.0.1")
	_, err := f.First(t.Context())
	good(t, err)
	entry := func(address, port string) map[string]any {
		return map[string]any{"Node": map[string]any{"Address": address}, "Service": map[string]any{"Meta": map[string]any{"grpc_port": port}}}
	}
	grpc := strconv.Itoa(f.cfg.GRPC.Port)
	c.with(func() { c.servers = []map[string]any{entry("127.0.0.2", "8502"), entry("127.0.0.1", grpc)} })
	good(t, f.Refresh(t.Context()))
	if diff := cmp.Diff([]string{"127.0.0.1:" + grpc, "127.0.0.2:8502"}, f.All()); diff != "" {
		t.Error(diff)
	}
	c.with(func() { c.servers = []map[string]any{} })
	good(t, f.Refresh(t.Context()))
	if len(f.All()) != 2 {
		t.Errorf("a token that may not see servers leaves %v", f.All())
	}
	c.with(func() { c.fail = func(string) (int, string) { return http.StatusInternalServerError, "rpc error" } })
	if err := f.Refresh(t.Context()); err == nil {
		t.Error("no error")
	}
}

// What is wrong with TLS is named, at either port.
func TestFinderTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`"x"`)) }))
	server.EnableHTTP2, server.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	port, err := strconv.Atoi(server.URL[strings.LastIndexByte(server.URL, ':')+1:])
	good(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	settings := func(pool *x509.CertPool, name string) func() (*tls.Config, error) {
		return func() (*tls.Config, error) { return &tls.Config{RootCAs: pool, ServerName: name}, nil }
	}
	right, plain := settings(pool, "example.com"), xds(t, "127.0.0.1")
	for name, c := range map[string]struct {
		http, grpc Endpoint
		code       event.Code
		field      string
	}{
		"right":               {Endpoint{port, right}, Endpoint{port, right}, "", ""},
		"the address":         {Endpoint{port, settings(pool, "")}, Endpoint{port, settings(pool, "")}, "", ""},
		"another CA":          {Endpoint{port, settings(x509.NewCertPool(), "example.com")}, Endpoint{port, right}, event.ConsulCertificate, "consulServers.http"},
		"another CA, gRPC":    {Endpoint{port, right}, Endpoint{port, settings(x509.NewCertPool(), "example.com")}, event.ConsulCertificate, "consulServers.grpc"},
		"another name":        {Endpoint{port, settings(pool, "other.com")}, Endpoint{port, right}, event.ConsulServerName, "consulServers.http"},
		"another name, gRPC":  {Endpoint{port, right}, Endpoint{port, settings(pool, "other.com")}, event.ConsulServerName, "consulServers.grpc"},
		"plain at a TLS port": {Endpoint{port, nil}, Endpoint{port, right}, event.ConsulIsTLS, "consulServers.http"},
		"TLS at a plain port": {Endpoint{port, right}, Endpoint{plain, right}, event.ConsulNotTLS, "consulServers.grpc"},
	} {
		t.Run(name, func(t *testing.T) {
			_, waits := first(t, FinderConfig{Hosts: []string{"127.0.0.1"}, HTTP: c.http, GRPC: c.grpc, Call: registration.CallerConfig{Registration: web()}})
			switch {
			case c.code == "" && waits != nil:
				t.Errorf("%+v", waits)
			case c.code != "" && (waits == nil || waits.Code != c.code || waits.Facts["field"] != c.field):
				t.Errorf("%+v, want %s of %s", waits, c.code, c.field)
			}
		})
	}
}
