package consulservers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/testbed/eventually"
)

// catalog plays a server: the services and checks of one node, and every write.
type catalog struct {
	mu       sync.Mutex
	services map[string]*api.AgentService
	checks   map[string]*api.HealthCheck
	writes   []api.CatalogRegistration
	gone     []string // what was deregistered
	fail     func(path string) (status int, text string)
	held     chan struct{} // writes wait until it is closed; nil: they do not
	waiting  chan struct{} // gets one for each that waits
	leader   string
	servers  []map[string]any // of /v1/health/service/consul
}

func (c *catalog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	fail, held := c.fail, c.held
	c.mu.Unlock()
	if fail != nil {
		if status, text := fail(r.URL.Path); status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, text)
			return
		}
	}
	if held != nil && r.Method == http.MethodPut {
		c.waiting <- struct{}{}
		<-held
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var answer any
	switch p := r.URL.Path; {
	case p == "/v1/status/leader":
		answer = c.leader
	case p == "/v1/acl/token/self":
		w.WriteHeader(http.StatusUnauthorized)
	case p == "/v1/catalog/register":
		var in api.CatalogRegistration
		_ = json.NewDecoder(r.Body).Decode(&in)
		c.writes = append(c.writes, in)
		if in.Service != nil {
			c.services[in.Service.ID] = in.Service
		}
		for _, check := range in.Checks {
			c.checks[check.CheckID] = check
		}
		answer = true
	case p == "/v1/catalog/deregister":
		var in api.CatalogDeregistration
		_ = json.NewDecoder(r.Body).Decode(&in)
		c.gone = append(c.gone, in.ServiceID)
		delete(c.services, in.ServiceID)
		maps.DeleteFunc(c.checks, func(_ string, check *api.HealthCheck) bool { return check.ServiceID == in.ServiceID })
		answer = true
	case strings.HasPrefix(p, "/v1/health/checks/"):
		list := []*api.HealthCheck{}
		for _, check := range c.checks {
			if check.ServiceName == strings.TrimPrefix(p, "/v1/health/checks/") {
				list = append(list, check)
			}
		}
		answer = list
	case strings.HasPrefix(p, "/v1/catalog/node-services/"):
		list := []*api.AgentService{}
		for _, s := range c.services {
			list = append(list, s)
		}
		answer = map[string]any{"Node": map[string]any{"Node": "n"}, "Services": list}
	case p == "/v1/health/service/consul":
		answer = c.servers
	}
	w.Header().Set("X-Consul-Index", "7")
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *catalog) with(f func()) { c.mu.Lock(); defer c.mu.Unlock(); f() }

func (c *catalog) count() (n int) { c.with(func() { n = len(c.writes) }); return n }

// serve puts a catalog at an address, with an xDS port that answers as HTTP/2 does.
func serve(t *testing.T, address string) (*catalog, *httptest.Server, int) {
	t.Helper()
	c := &catalog{services: map[string]*api.AgentService{}, checks: map[string]*api.HealthCheck{}, leader: "127.0.0.1:8300", waiting: make(chan struct{}, 16)}
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: c}}
	s.Start()
	t.Cleanup(s.Close)
	return c, s, l.Addr().(*net.TCPAddr).Port
}

// xds is a port that answers HTTP/2.
func xds(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = conn.Read(make([]byte, 64))
				_, _ = conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func newTestClient(t *testing.T) (*Client, *catalog) {
	t.Helper()
	c, _, port := serve(t, "127.0.0.1")
	f := NewFinder(FinderConfig{Hosts: []string{"127.0.0.1"}, HTTP: Endpoint{Port: port}, GRPC: Endpoint{Port: xds(t, "127.0.0.1")}, Limit: time.Minute,
		Call: registration.CallerConfig{Registration: web()}})
	client := New(Config{Finder: f, Node: Node{Name: "n", Address: "10.0.0.7"}, Registration: web(), Synced: SyncedChecks(web(), Ours, nil, ""),
		Token: func() string { return "" }, TokenWait: time.Minute})
	t.Cleanup(client.Close)
	return client, c
}

func good(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	appCheck  = "web-1-app-consul-ecs"
	sideCheck = "web-1-side-consul-ecs"
)

// A life: two writes register, one more each change, none where nothing changes; the stop moves
// the sidecar and keeps its listener, and then all is gone.
func TestClientLife(t *testing.T) {
	client, c := newTestClient(t)
	ctx := t.Context()
	good(t, client.Register(ctx))
	if len(c.writes) != 2 || c.writes[0].Service.ID != "web-1" || c.writes[1].Service.ID != "web-1-sidecar-proxy" || !c.writes[1].SkipNodeUpdate {
		t.Fatalf("registered by %+v", c.writes)
	}
	for id, check := range c.checks {
		if check.Status != "critical" || check.Node != "n" {
			t.Errorf("%s: %+v", id, check)
		}
	}
	proxy := c.services["web-1-sidecar-proxy"]
	if p := proxy.Proxy.Config; p["bind_port"] != float64(20000) || p["bind_address"] != "0.0.0.0" || proxy.Weights.Passing != 1 {
		t.Errorf("the sidecar is %+v, %v", proxy, p)
	}
	good(t, client.AddListenerCheck(ctx, ""))
	good(t, client.UpdateTTL(ctx, appCheck, "passing", "up"))
	good(t, client.UpdateTTL(ctx, sideCheck, "passing", "up"))
	before := c.count()
	good(t, client.UpdateTTL(ctx, sideCheck, "passing", "up"))
	good(t, client.AddListenerCheck(ctx, ""))
	if n := c.count(); n != before {
		t.Errorf("%d writes of what the servers have", n-before)
	}
	for id, check := range c.checks {
		if check.Status != "passing" {
			t.Errorf("%s is %s", id, check.Status)
		}
	}
	good(t, client.RemoveFromCatalog(ctx))
	moved := c.services["web-1-sidecar-proxy"]
	if moved.Port != movedPort || moved.Proxy.Config["bind_port"] != float64(20000) || c.services["web-1"] != nil {
		t.Errorf("moved to %+v, left are %v", moved, c.services)
	}
	for id, check := range c.checks {
		if check.Status != "critical" && id != "service:web-1-sidecar-proxy:1" {
			t.Errorf("%s is %s in the stop", id, check.Status)
		}
	}
	before = c.count()
	good(t, client.UpdateTTL(ctx, appCheck, "critical", "gone"))
	if c.count() != before {
		t.Error("a check of a service that is gone is written")
	}
	result, err := client.Deregister(ctx)
	if result != registration.Verified || len(c.services) != 0 {
		t.Errorf("deregistered: %s, %v, left are %v", result, err, c.services)
	}
	if n := len(c.gone); n != 2 {
		t.Errorf("deregistered %v, want each once", c.gone)
	}
}

// A registration that a stop cuts is over before anything is taken back: a server that has got it
// carries it out all the same.
func TestRegisterIsNotAbandoned(t *testing.T) {
	client, c := newTestClient(t)
	held := make(chan struct{})
	c.held, c.waiting = held, make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Register(ctx) }()
	eventually.Get(t, "a write", c.waiting)
	cancel()
	select {
	case err := <-done:
		close(held)
		t.Fatalf("it returned while the server was at it: %v", err)
	case <-time.After(50 * time.Millisecond): // time in which it must not
	}
	c.with(func() { c.held = nil })
	close(held)
	if err := eventually.Get(t, "its end", done); err == nil {
		t.Error("registered though it was stopped between the service and the sidecar")
	}
	if result, err := client.Deregister(t.Context()); result != registration.Verified || len(c.services) != 0 {
		t.Errorf("deregistered: %s, %v, left are %v", result, err, c.services)
	}
	if n := c.count(); n != 1 {
		t.Errorf("%d writes, want the one that was under way", n)
	}
}

// Changes that come while a write is under way go together in the next one.
func TestClientWritesTogether(t *testing.T) {
	client, c := newTestClient(t)
	good(t, client.Register(t.Context()))
	before, held := c.count(), make(chan struct{})
	c.with(func() { c.held = held })
	var group sync.WaitGroup
	change := func(id, output string) {
		group.Go(func() {
			if err := client.UpdateTTL(t.Context(), id, "passing", output); err != nil {
				t.Error(err)
			}
		})
	}
	change(appCheck, "1")
	<-c.waiting // the first write is at the server
	for i := range 8 {
		change(sideCheck, strconv.Itoa(i))
	}
	eventually.True(t, "all of them have said what they want", func() bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		return client.count >= 10
	})
	close(held)
	group.Wait()
	if n := c.count() - before; n != 2 {
		t.Errorf("%d writes, want one and another for the rest", n)
	}
}

// What others write is written over by the next change; what others take away is said to be gone.
func TestClientLooks(t *testing.T) {
	client, c := newTestClient(t)
	ctx := t.Context()
	good(t, client.Register(ctx))
	good(t, client.UpdateTTL(ctx, appCheck, "passing", "up"))
	c.with(func() { c.checks[appCheck].Status = "critical" })
	seen := ""
	for range 2 { // service and sidecar in turns
		known, err := client.Checks(ctx)
		good(t, err)
		if known[appCheck] != "passing" {
			seen = known[appCheck]
		}
	}
	if seen != "critical" {
		t.Errorf("seen is %q", seen)
	}
	before := c.count()
	good(t, client.UpdateTTL(ctx, appCheck, "passing", "up"))
	if c.count() != before+1 || c.checks[appCheck].Status != "passing" {
		t.Error("it is not written again")
	}
	for _, name := range []string{"web-sidecar-proxy", "web"} {
		c.with(func() {
			maps.DeleteFunc(c.checks, func(_ string, check *api.HealthCheck) bool { return check.ServiceName == name })
		})
		missing := false
		for range 2 {
			known, err := client.Checks(ctx)
			good(t, err)
			missing = missing || len(known) == 0
		}
		if !missing {
			t.Errorf("%s is gone, and nobody is told", name)
		}
		good(t, client.Register(ctx))
		if c.checks[appCheck].Status != "passing" {
			t.Error("registered again, it is critical")
		}
	}
}

func TestClientWithoutNode(t *testing.T) {
	client, c := newTestClient(t)
	c.fail = func(path string) (int, string) {
		if path == "/v1/catalog/register" {
			return http.StatusForbidden, `Permission denied: token lacks permission 'node:write' on "n"`
		}
		return 0, ""
	}
	err := client.Register(t.Context())
	cause := event.CauseOf(err)
	if cause == nil || cause.Code != event.RegisterDenied || cause.Facts[event.FactCase] != event.CaseNode || cause.Facts["node"] != "n" {
		t.Errorf("%v, %+v", err, cause)
	}
	if client.Sent() {
		t.Error("it was refused, and counts as sent")
	}
}

// A server that fails is left for the next one, and what was wanted is written there.
func TestClientGoesOnElsewhere(t *testing.T) {
	addresses := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
	one, server, port := serve(t, addresses[0])
	grpc := xds(t, addresses[0])
	other := &http.Server{Handler: &catalog{services: map[string]*api.AgentService{}, checks: map[string]*api.HealthCheck{}, leader: "x"}}
	l, err := net.Listen("tcp", net.JoinHostPort(addresses[1], strconv.Itoa(port)))
	good(t, err)
	go func() { _ = other.Serve(l) }()
	t.Cleanup(func() { _ = other.Close() })
	f := NewFinder(FinderConfig{Hosts: addresses, HTTP: Endpoint{Port: port}, GRPC: Endpoint{Port: grpc}, Limit: time.Minute, Call: registration.CallerConfig{Registration: web(), Timeout: time.Minute}})
	client := New(Config{Finder: f, Node: Node{Name: "n", Address: "10.0.0.7"}, Registration: web(), Synced: SyncedChecks(web(), Ours, nil, ""), Token: func() string { return "" }, TokenWait: time.Minute})
	t.Cleanup(client.Close)
	good(t, client.Register(t.Context()))
	if one.count() != 2 {
		t.Fatalf("%d writes at the first", one.count())
	}
	one.with(func() {
		one.fail = func(string) (int, string) { return http.StatusInternalServerError, "No cluster leader" }
	})
	good(t, client.UpdateTTL(t.Context(), appCheck, "passing", "up"))
	elsewhere := other.Handler.(*catalog)
	if elsewhere.count() != 1 || elsewhere.checks[appCheck].Status != "passing" {
		t.Errorf("%d writes at the other", elsewhere.count())
	}
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	good(t, client.UpdateTTL(ctx, appCheck, "critical", "down"))
	if first := f.All()[0]; first != netip.MustParseAddr(addresses[1]).String()+":"+strconv.Itoa(grpc) {
		t.Errorf("the first is %s", first)
	}
}
