package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/e2e/load"
)

// balancer is a load balancer in front: it goes on sending to a target for a while after it was
// told to leave it, on kept connections, and never tries again.
type balancer struct {
	mu      sync.Mutex
	targets []string
	next    int
}

func (b *balancer) set(targets ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = targets
}

func (b *balancer) Rewrite(r *httputil.ProxyRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	r.Out.URL.Scheme, r.Out.URL.Host = "http", b.targets[b.next%len(b.targets)]
}

// entry writes a config entry that the library would give keys which Consul refuses.
func entry(t *testing.T, server *harness.Server, doc map[string]any) {
	t.Helper()
	if _, err := server.API.Raw().Write("/v1/config", doc, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// route leads an API gateway's listener to a service.
func route(t *testing.T, server *harness.Server, gateway, service string) {
	entry(t, server, map[string]any{"Kind": "http-route", "Name": "to-" + service, "Parents": []any{map[string]any{"Kind": "api-gateway", "Name": gateway, "SectionName": "in"}},
		"Rules": []any{map[string]any{"Services": []any{map[string]any{"Name": service}}}}})
}

// listens gives an API gateway a listener.
func listens(t *testing.T, server *harness.Server, gateway string) {
	entry(t, server, map[string]any{"Kind": "api-gateway", "Name": gateway, "Listeners": []any{map[string]any{"Name": "in", "Port": 8080, "Protocol": "http"}}})
}

// An API gateway is replaced behind a balancer that goes on sending after the stop began: no
// request fails.
func TestAPIGatewayReplacedBehindABalancer(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	listens(t, server, "agw")
	route(t, server, "agw", "api")
	api := startTask(t, server, "api-1", "api", agentless(server))
	api.up(t)
	start := func(id string) member {
		return gateway(t, server, id, map[string]any{"kind": "api-gateway", "name": "agw"}, agentless(server), func(doc map[string]any) {
			doc["shutdown"] = map[string]any{"drain": map[string]any{"min": "6s"}}
		})
	}
	old := start("agw-1")
	old.up(t)
	front := &balancer{}
	front.set(old.address + ":8080")
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: front.Rewrite, Transport: &http.Transport{MaxIdleConnsPerHost: 32}})
	defer proxy.Close()
	g := load.Start(t.Context(), load.Config{URL: proxy.URL + "/", Rate: 100, NewConn: 50, Long: 3, LongURL: proxy.URL + "/slow?ms=700", Body: 16})
	for n := 2; n < 4; n++ {
		next := start(fmt.Sprintf("agw-%d", n))
		next.up(t)
		front.set(old.address+":8080", next.address+":8080")
		old.term(t)
		<-time.After(4 * time.Second) // the balancer says no sooner that it sends no more
		front.set(next.address + ":8080")
		if s := old.ended(t, 0); s.Deregistered != "verified" || s.Drain.End != 0 || s.Drain.Ms < 6000 {
			t.Errorf("%s: %+v", old.Name, s)
		}
		old = next
	}
	for _, f := range g.Stop().Failures {
		t.Errorf("%+v", f)
	}
	old.term(t)
	old.ended(t, 0)
}

// An API gateway waits for its config entry and for its first route, longer than Envoy may take to
// get ready, and says for which; then it is up.
func TestAPIGatewayWaitsForItsRoute(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	api := startTask(t, server, "api-1", "api", agentless(server))
	m := gateway(t, server, "agw-1", map[string]any{"kind": "api-gateway", "name": "agw"}, agentless(server), func(doc map[string]any) {
		doc["envoy"] = map[string]any{"readyTimeout": "2s"}
	})
	m.says(t, "there is no api-gateway config entry named agw")
	listens(t, server, "agw")
	m.says(t, "no route bound")
	<-time.After(3 * time.Second) // more than readyTimeout
	m.without(t, "up", "task", "mark", "T2")
	route(t, server, "agw", "api")
	m.up(t)
	api.up(t)
	answers(t, "http://"+m.address+":8080/", 200, "hello from api-1")
	m.says(t, "API gateway agw is up after ")
	m.says(t, "Envoy on "+m.address+":8080")
	m.term(t)
	m.ended(t, 0)
}

// One that waits ends at once when it is asked to, with nothing left.
func TestAPIGatewayStoppedWhileItWaits(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := gateway(t, server, "agw-1", map[string]any{"kind": "api-gateway", "name": "agw"}, agentless(server))
	m.says(t, "there is no api-gateway config entry named agw")
	m.term(t)
	m.ended(t, 143)
	server.Empty(t, soon)
}
