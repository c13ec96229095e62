package parts

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
)

// trust is a trust domain as Consul names one.
const trust = "11111111-2222-3333-4444-555555555555.consul"

// meshClusters are names as Consul gives them to clusters, and as it gives them to none but may:
// what Envoy takes for a tag of its own, and two names that Envoy prints alike.
func meshClusters() map[string]string {
	all := map[string]string{}
	for _, name := range []string{
		"api.default.dc1.internal." + trust,
		"v1.api.default.dc1.internal." + trust,
		"v1.my-api.default.dc1.internal." + trust,
		"v1.my_api.default.dc1.internal." + trust,
		"api.default.dc2.internal." + trust,
		"api.team.part.dc1.internal-v1." + trust,
		"v2.api.team.part.dc1.internal-v1." + trust,
		"api.default.peer1.external." + trust,
		"api.team.peer1.external." + trust,
		"abc123~api.default.dc1.internal." + trust,
		"abc123~v1.api.default.dc1.internal." + trust,
		"passthrough~api.default.dc1.internal." + trust,
		"v1.grpc.default.dc1.internal." + trust,
		"tcpapi.default.dc1.internal." + trust,
		"consul.default.dc1.internal." + trust,
		"local_app", "local_agent", "consul_servers", "original-destination", "exposed_cluster_8080", "dc2.internal." + trust, "prefix.consul",
	} {
		all[name] = ""
	}
	all["failover-target~0~web.default.dc1.internal."+trust] = "web.default.dc1.internal." + trust
	return all
}

type doc = map[string]any

// list is how Envoy's documents write a list of documents.
type list = []any

func typed(name, kind string, config doc) doc {
	with := doc{"@type": "type.googleapis.com/" + kind}
	maps.Copy(with, config)
	return doc{"name": name, "typed_config": with}
}

func socketAddress(host string, port int) doc {
	return doc{"socket_address": doc{"address": host, "port_value": port}}
}

func router() doc {
	return typed("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", nil)
}

func httpFilter(prefix, cluster string, before ...any) doc {
	return typed("envoy.filters.network.http_connection_manager", "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", doc{
		"stat_prefix": prefix, "http_filters": append(before, router()), "route_config": doc{"name": prefix, "virtual_hosts": list{doc{
			"name": "all", "domains": list{"*"}, "routes": list{doc{"match": doc{"prefix": "/"}, "route": doc{"cluster": cluster}}},
		}}},
	})
}

func tcpFilter(prefix, cluster string) doc {
	return typed("envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", doc{"stat_prefix": prefix, "cluster": cluster})
}

// meshListeners are filters with the prefixes that Consul gives them, each at a port.
func meshListeners() []doc {
	api, rbac := "api.default.dc1.internal."+trust, doc{"stat_prefix": "connect_authz", "rules": doc{}}
	grpc := []any{
		typed("envoy.filters.http.grpc_stats", "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", doc{"stats_for_all_methods": true}),
	}
	return []doc{
		httpFilter("public_listener", "local_app", typed("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", doc{"rules": doc{"policies": doc{}}})),
		httpFilter("upstream.api.default.default.dc1", api),
		httpFilter("upstream.api.default.dc1", "v1.api.default.dc1.internal."+trust),
		httpFilter("upstream_peered.api.default.peer1", "api.default.peer1.external."+trust),
		httpFilter("upstream.grpc.default.default.dc1", "abc123~v1.api.default.dc1.internal."+trust, grpc...),
		httpFilter("upstream.rbac.default.default.dc1", "api.team.part.dc1.internal-v1."+trust),
		httpFilter("upstream.my-api.default.default.dc1", "v1.my-api.default.dc1.internal."+trust), // and my_api has no requests
		tcpFilter("upstream.tcpapi.default.default.dc1", "tcpapi.default.dc1.internal."+trust),
		tcpFilter("upstream_peered.api.peer1", "api.team.peer1.external."+trust),
		tcpFilter("upstream.original-destination", "original-destination"),
		tcpFilter("mesh_gateway_local.dc1", "failover-target~0~web.default.dc1.internal."+trust),
		tcpFilter("terminating_gateway.api.default.dc1", "passthrough~api.default.dc1.internal."+trust),
		{"rbac": typed("envoy.filters.network.rbac", "envoy.extensions.filters.network.rbac.v3.RBAC", rbac), "tcp": tcpFilter("public_listener", "local_app")},
	}
}

// metricsBed is one real Envoy with what meshClusters and meshListeners say, and an app that all
// of them lead to.
type metricsBed struct {
	t        *testing.T
	address  string
	socket   string
	document string
	ports    []int
}

// newMetricsBed starts one whose document has these stats_tags.
func newMetricsBed(t *testing.T, app net.Addr, stats doc, clusters map[string]string, filters []doc) *metricsBed {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &metricsBed{t: t, address: harness.Address(t), socket: filepath.Join(dir, "admin.sock"), document: filepath.Join(dir, "bootstrap.json")}
	host, port := app.(*net.TCPAddr).IP.String(), app.(*net.TCPAddr).Port
	var all, listeners list
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		c := doc{"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": doc{"cluster_name": name, "endpoints": list{
			doc{"lb_endpoints": list{doc{"endpoint": doc{"address": socketAddress(host, port)}}}},
		}}}
		if alt := clusters[name]; alt != "" {
			c["alt_stat_name"] = alt
		}
		if strings.Contains(name, "abc123~v1") { // grpc goes here
			c["typed_extension_protocol_options"] = doc{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": doc{
				"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": doc{"http2_protocol_options": doc{}},
			}}
		}
		all = append(all, c)
	}
	for i, f := range filters {
		chain := list{f}
		if f["rbac"] != nil {
			chain = list{f["rbac"], f["tcp"]}
		}
		b.ports = append(b.ports, 20000+i)
		listeners = append(listeners, doc{"name": fmt.Sprint("l", i), "address": socketAddress(b.address, 20000+i), "filter_chains": list{doc{"filters": chain}}})
	}
	text, err := json.Marshal(doc{
		"node": doc{"id": "web-1", "cluster": "web"}, "stats_config": stats,
		"admin":            doc{"address": doc{"pipe": doc{"path": b.socket}}},
		"static_resources": doc{"clusters": all, "listeners": listeners},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.document, text, 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, "envoy", []string{harness.Envoy(t), "-c", b.document, "--disable-hot-restart", "--concurrency", "1", "-l", "warning"}, nil)
	harness.Eventually(t, 2*time.Minute, "Envoy is live", func() error {
		state, err := envoy.NewAdmin(b.socket).Ready(t.Context())
		if err == nil && state != "LIVE" {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	})
	return b
}

// use sends requests through each listener, more through each next one.
func (b *metricsBed) use() {
	b.t.Helper()
	for i, port := range b.ports {
		url := fmt.Sprintf("http://%s:%d/", b.address, port)
		if i == 4 && len(b.ports) < 100 {
			b.grpc(fmt.Sprintf("http://%s:%d/shop.Basket/Add", b.address, port))
			continue
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
		for range i%20 + 1 {
			answer, err := client.Get(url)
			if err != nil {
				break // an authorization without a rule lets nobody in, which Envoy counts
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
}

func (b *metricsBed) grpc(url string) {
	b.t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	request, _ := http.NewRequestWithContext(b.t.Context(), http.MethodPost, url, strings.NewReader("\x00\x00\x00\x00\x00"))
	request.Header.Set("Content-Type", "application/grpc")
	answer, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}

// prints is what Envoy itself prints; ours is what we make of it.
func (b *metricsBed) prints(path string) []byte {
	b.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: unixDial(b.socket)}}
	answer, err := client.Get("http://envoy" + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *metricsBed) ours(s *envoy.Statistics) []byte {
	b.t.Helper()
	page, done, err := s.Read(b.t.Context())
	defer done()
	if err != nil {
		b.t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := page.WriteTo(&text); err != nil {
		b.t.Fatal(err)
	}
	return text.Bytes()
}

// exposed is a text taken apart: the value of each series, and the type of each metric.
func exposed(t *testing.T, text []byte) (series, types map[string]string) {
	t.Helper()
	series, types = map[string]string{}, map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if name, kind, ok := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " "); ok && strings.HasPrefix(line, "#") {
			if types[name] != "" {
				t.Errorf("two types of %s", name)
			}
			types[name] = kind
			continue
		}
		if line == "" {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if _, ok := series[line[:at]]; ok {
			t.Errorf("twice: %s", line[:at])
		}
		series[line[:at]] = line[at+1:]
	}
	return series, types
}

// differ says what two sets of keys lack of each other, a few of each.
func differ(t *testing.T, what string, ours, theirs map[string]string) {
	t.Helper()
	for _, side := range []struct {
		name      string
		have, not map[string]string
	}{{"only ours", ours, theirs}, {"only Envoy's", theirs, ours}} {
		var all []string
		for key := range side.have {
			if _, ok := side.not[key]; !ok {
				all = append(all, key)
			}
		}
		slices.Sort(all)
		if len(all) > 0 {
			t.Errorf("%s: %d of %d are %s, such as:\n%s", what, len(all), len(side.have), side.name, strings.Join(all[:min(8, len(all))], "\n"))
		}
	}
}

// statsTags are those of Consul's document; with is which of them are there.
func statsTags(with func(tag doc) bool) doc {
	all := list{doc{"tag_name": "team", "fixed_value": `a "b" \c`}}
	for _, e := range bootstrap.TagExpressions() {
		all = append(all, doc{"tag_name": e[0], "regex": e[1]})
	}
	for _, fixed := range [][2]string{
		{"local_cluster", "web"}, {"consul.source.service", "web"}, {"consul.source.namespace", "default"},
		{"consul.source.partition", "default"}, {"consul.source.datacenter", "dc1"},
	} {
		all = append(all, doc{"tag_name": fixed[0], "fixed_value": fixed[1]})
	}
	return doc{"use_all_default_tags": true, "stats_tags": slices.DeleteFunc(all, func(t any) bool { return !with(t.(doc)) })}
}

func everyTag(doc) bool { return true }

func fixedTag(tag doc) bool { return tag["fixed_value"] != nil }

// meshApp answers all that reaches it, with HTTP/1 and cleartext HTTP/2.
func meshApp(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			_, _ = io.Copy(io.Discard, r.Body) // Envoy counts the message, and the time, of a request that has come whole
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte("\x00\x00\x00\x00\x00"))
			w.Header().Set("Grpc-Status", "0")
			return
		}
		fmt.Fprintln(w, "ok")
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr()
}

func unixDial(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
}
