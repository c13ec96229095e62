package parts

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/envoy/metrics"
)

// What we make of an Envoy without Consul's expressions, or with some, is what an Envoy with all
// of them prints: every series, with its labels and their order, and the type of every metric.
func TestEnvoyMetricsAreThoseOfConsulsTags(t *testing.T) {
	app := meshApp(t)
	with := newMetricsBed(t, app, statsTags(everyTag), meshClusters(), meshListeners())
	with.use()
	with.prints("/stats/prometheus") // Envoy counts its own first answer, as that of the others
	theirs, theirKinds := exposed(t, with.anonymous(with.prints("/stats/prometheus")))
	t.Logf("%d series of %d metrics", len(theirs), len(theirKinds))
	for name, tags := range map[string]func(doc) bool{
		"none": fixedTag,
		"some": func(tag doc) bool {
			return fixedTag(tag) || tag["tag_name"] == "consul.destination.service" || tag["tag_name"] == "consul.upstream.service"
		},
		"all": everyTag,
	} {
		t.Run(name, func(t *testing.T) {
			b := newMetricsBed(t, app, statsTags(tags), meshClusters(), meshListeners())
			s := envoy.NewStatistics(b.socket, b.document, nil)
			b.ours(s) // what comes to be later is learned then
			b.use()
			ours, kinds := exposed(t, b.anonymous(b.ours(s)))
			differ(t, "series", ours, theirs)
			differ(t, "metrics", kinds, theirKinds)
			for name, kind := range theirKinds {
				if kinds[name] != kind {
					t.Errorf("%s is a %s, Envoy's a %s", name, kinds[name], kind)
				}
			}
			for key, value := range theirs { // what the requests alone decide
				if strings.Contains(key, "stream_rq_total{") && !strings.Contains(key, `="admin"`) && ours[key] != value {
					t.Errorf("%s is %s, with all expressions %s", key, ours[key], value)
				}
			}
		})
	}
	if *record {
		recordMetrics(t)
	}
}

// anonymous is a text without the bed's address.
func (b *metricsBed) anonymous(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte(b.address), []byte("ADDRESS"))
}

// Of one Envoy at rest, our values are those that it has: all of them, and each with its cluster.
func TestEnvoyMetricsHaveEnvoysValues(t *testing.T) {
	b := newMetricsBed(t, meshApp(t), statsTags(fixedTag), meshClusters(), meshListeners())
	b.use()
	text, err := os.ReadFile(b.document)
	if err != nil {
		t.Fatal(err)
	}
	tags, translate, err := metrics.Tags(text)
	if err != nil || !translate {
		t.Fatal(translate, err)
	}
	plain := b.prints("/stats/prometheus")
	page, err := metrics.New(tags).Read(bytes.NewReader(plain), func() ([]byte, error) { return b.prints("/stats"), nil })
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := page.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if ours, envoys := values(out.Bytes()), values(plain); !slices.Equal(ours, envoys) {
		t.Errorf("%d values, Envoy has %d; not the same ones", len(ours), len(envoys))
	}
	var stats struct {
		Stats []struct {
			Name  string
			Value json.RawMessage
		}
	}
	if err := json.Unmarshal(b.prints("/stats?format=json&type=Counters"), &stats); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	sum := func(to map[string]string, key, value string) {
		have, _ := strconv.Atoi(to[key])
		more, err := strconv.Atoi(value)
		if err != nil {
			t.Errorf("%s: %s", key, value)
		}
		to[key] = strconv.Itoa(have + more)
	}
	for _, s := range stats.Stats {
		if name, _, ok := strings.Cut(strings.TrimPrefix(s.Name, "cluster."), ".consul."); ok && strings.Count(name, ".") > 3 {
			sum(want, name, string(s.Value))
		}
	}
	series, kinds := exposed(t, out.Bytes())
	for key, value := range series {
		metric, labels, _ := strings.Cut(key, "{")
		if _, rest, ok := strings.Cut(labels, `,consul_full_target="`); ok && kinds[metric] == "counter" {
			target, _, _ := strings.Cut(rest, `"`)
			sum(got, target, value)
		}
	}
	differ(t, "clusters", got, want)
	nonzero := map[string]bool{}
	for target, n := range want {
		if got[target] != n {
			t.Errorf("the counters of %s come to %s, Envoy's to %s", target, got[target], n)
		}
		nonzero[n] = true
	}
	if len(nonzero) < 6 {
		t.Errorf("the requests did not tell the clusters apart: %v", want)
	}
}

// values are all values of a text, sorted.
func values(text []byte) (all []string) {
	for line := range strings.Lines(string(text)) {
		if line != "\n" && line[0] != '#' {
			all = append(all, line[strings.LastIndexByte(line, ' ')+1:])
		}
	}
	slices.Sort(all)
	return all
}

// The same with what a real Consul serves to the sidecar of a service that has itself for an
// upstream: mutual TLS, authorization, the names of clusters and listeners as they are.
func TestEnvoyMetricsOfARealSidecar(t *testing.T) {
	b := newEnvoyBed(t)
	b.protocol("http")
	b.app()
	b.register(nil)
	err := b.server.API.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: envoyProxyID, Name: "web-sidecar-proxy", Kind: api.ServiceKindConnectProxy, Port: 20000, Proxy: &api.AgentServiceConnectProxyConfig{
			DestinationServiceName: "web", DestinationServiceID: "web-1", LocalServiceAddress: b.server.Address, LocalServicePort: 8080,
			Config: map[string]any{"bind_address": b.server.Address}, Upstreams: []api.Upstream{
				{DestinationName: "web", LocalBindAddress: b.server.Address, LocalBindPort: 9191},
				{DestinationName: "db", LocalBindAddress: b.server.Address, LocalBindPort: 9192},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	scraped := func(tags bootstrap.StatsTags) (series, types map[string]string) {
		file := b.bootstrap(func(w *envoy.Bootstrap) { w.StatsTags = tags })
		l := b.start(nil)
		b.up(l)
		client := b.http()
		harness.Eventually(t, time.Minute, "the upstream answers", func() error {
			answer, err := client.Get("http://" + b.server.Address + ":9191/")
			if err == nil {
				defer answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					err = fmt.Errorf("status %d", answer.StatusCode)
				}
			}
			return err
		})
		if err := get(client, "/"); err != nil {
			t.Fatal(err)
		}
		client.CloseIdleConnections()
		page, done, err := envoy.NewStatistics(b.socket(), file, nil).Read(t.Context())
		defer done()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := page.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		b.end(l)
		return exposed(t, text.Bytes())
	}
	theirs, theirKinds := scraped(bootstrap.AllStatsTags())
	ours, kinds := scraped(bootstrap.StatsTags{Auto: true})
	t.Logf("%d series of %d metrics", len(theirs), len(theirKinds))
	differ(t, "series", ours, theirs)
	differ(t, "metrics", kinds, theirKinds)
	for _, want := range []string{`consul_upstream_service="web"`, `consul_destination_service="web"`, "envoy_cluster_ssl_versions{"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(ours)), func(key string) bool { return strings.Contains(key, want) }) {
			t.Errorf("no series has %s", want)
		}
	}
}

// recordMetrics writes what the benchmark of package metrics reads: the answers of an Envoy with
// 100 upstreams, each of which has been used once.
func recordMetrics(t *testing.T) {
	t.Helper()
	clusters, filters := map[string]string{"local_app": ""}, []doc{httpFilter("public_listener", "local_app")}
	for i := range 100 {
		service := fmt.Sprintf("service-%d", i)
		name := service + ".default.dc1.internal." + trust
		clusters[name] = ""
		filters = append(filters, httpFilter("upstream."+service+".default.default.dc1", name))
	}
	b := newMetricsBed(t, meshApp(t), statsTags(func(tag doc) bool { return fixedTag(tag) && tag["tag_name"] != "team" }), clusters, filters)
	b.use()
	for path, file := range map[string]string{"/stats/prometheus": "prometheus", "/stats": "names"} {
		var text bytes.Buffer
		w := gzip.NewWriter(&text)
		_, _ = w.Write(b.prints(path))
		w.Close()
		if err := os.WriteFile("../../envoy/metrics/testdata/upstreams100."+file+".gz", text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
