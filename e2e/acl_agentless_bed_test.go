package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// consulWrite is a write of a controller to Consul.
type consulWrite struct {
	what  string // method and path, or the ID that is deregistered
	sweep int    // by the calls of ListTasks so far, which are one a sweep in a small cluster
}

// consulLog is a proxy in front of a Consul server that notes the writes, in order.
type consulLog struct {
	URL string

	mu     sync.Mutex
	writes []consulWrite
}

func newConsulLog(t testing.TB, b *aclBed) *consulLog {
	t.Helper()
	l := &consulLog{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: b.consul.HTTP})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			l.note(r, b.cloud.Calls()["ecs:ListTasks"])
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	l.URL = server.URL
	return l
}

func (l *consulLog) note(r *http.Request, sweep int) {
	text, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	var body struct{ Node, ServiceID string }
	what := r.Method + " " + r.URL.Path
	if err == nil && r.URL.Path == "/v1/catalog/deregister" && json.Unmarshal(text, &body) == nil {
		if what = body.ServiceID; what == "" {
			what = body.Node
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, consulWrite{what, sweep})
}

// after are the writes since the nth.
func (l *consulLog) after(n int) []consulWrite {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.writes[n:])
}

// pairOf is what a task without an agent registers.
func pairOf(service, arn string) []*api.AgentService {
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	meta := map[string]string{"source": "consul-ecs", "task-id": id, "task-arn": arn}
	plain := &api.AgentService{ID: service + "-" + id, Service: service, Port: 8080, Address: "127.0.0.1", Meta: meta}
	sidecar := &api.AgentService{Kind: api.ServiceKindConnectProxy, ID: plain.ID + "-sidecar-proxy", Service: service + "-sidecar-proxy", Port: 20000, Address: "127.0.0.1", Meta: meta,
		Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: service, DestinationServiceID: plain.ID}}
	return []*api.AgentService{plain, sidecar}
}

// meshPair registers it with the task's own rights, in two writes.
func meshPair(t testing.TB, client *api.Client, node, service, arn string) (ids []string) {
	t.Helper()
	for _, s := range pairOf(service, arn) {
		_, err := client.Catalog().Register(&api.CatalogRegistration{Node: node, Address: "127.0.0.1", SkipNodeUpdate: !strings.HasPrefix(node, "ecs-"), Service: s,
			Checks: api.HealthChecks{{Node: node, CheckID: s.ID + "-check", Name: "check", ServiceID: s.ID, Status: api.HealthPassing}}}, nil)
		if err != nil {
			t.Fatalf("%s cannot be registered on node %s with its own token: %v", s.ID, node, err)
		}
		ids = append(ids, s.ID)
	}
	return ids
}

// made waits for a node of a cluster, which a task of it may not make.
func (b *aclBed) made(t testing.TB, node string) {
	t.Helper()
	harness.Eventually(t, time.Minute, "the node "+node, func() error {
		if b.on(t, node) == nil {
			return errors.New("not yet")
		}
		return nil
	})
}

// on are the IDs of what is registered on a node, sorted; nil: there is no such node.
func (b *aclBed) on(t testing.TB, node string) (ids []string) {
	t.Helper()
	list, _, err := b.consul.API.Catalog().NodeServiceList(node, &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	if list == nil || list.Node == nil {
		return nil
	}
	ids = []string{}
	for _, s := range list.Services {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}

// agentless starts a controller of a cluster behind a log of its writes.
func (b *aclBed) agentless(t testing.TB, cluster string, flags ...string) (*harness.Process, *consulLog) {
	t.Helper()
	log := newConsulLog(t, b)
	argv, env := b.command(t, log.URL, cluster, append([]string{"--agentless", "--interval", "100ms", "--audit-interval", "1s", "--deletion-grace", "0s"}, flags...)...)
	return harness.Start(t, "controller", argv, env), log
}
