package registration

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scenarios are consul-ecs's own, and what meshtask has added.
func scenarios() map[string]Registration {
	basic := func(change func(*Registration)) Registration {
		r := Registration{TaskID: "abcdef", TaskARN: "arn:aws:ecs:us-east-1:123456789:task/test/abcdef", Name: "test-service", Port: 8080}
		change(&r)
		return r
	}
	http := &api.AgentServiceCheck{CheckID: "http", Name: "HTTP", HTTP: "http://127.0.0.1:8080/health", Method: "POST",
		Header: map[string][]string{"X-A": {"b"}}, Body: "x", Interval: "5s", Timeout: "1s", TLSServerName: "web", TLSSkipVerify: true,
		SuccessBeforePassing: 2, FailuresBeforeCritical: 3, Notes: "n", Status: "passing"}
	tcp := &api.AgentServiceCheck{Name: "TCP", TCP: "127.0.0.1:8080", Interval: "5s"}
	grpc := &api.AgentServiceCheck{Name: "gRPC", GRPC: "127.0.0.1:8080/svc", GRPCUseTLS: true, Interval: "5s"}
	udp := &api.AgentServiceCheck{Name: "UDP", UDP: "127.0.0.1:8125", Interval: "5s"}
	return map[string]Registration{
		"basic":                    basic(func(*Registration) {}),
		"no-port":                  basic(func(r *Registration) { r.Port = 0 }),
		"one-container":            basic(func(r *Registration) { r.Containers = []string{"app"} }),
		"two-containers-own-ttl":   basic(func(r *Registration) { r.Containers, r.TTL = []string{"app", "side"}, 3*time.Second }),
		"native-http":              basic(func(r *Registration) { r.Checks = api.AgentServiceChecks{http} }),
		"native-tcp-grpc-udp":      basic(func(r *Registration) { r.Checks = api.AgentServiceChecks{tcp, grpc, udp} }),
		"native-beside-containers": basic(func(r *Registration) { r.Checks, r.Containers = api.AgentServiceChecks{tcp}, []string{"app"} }),
		"user-meta": basic(func(r *Registration) {
			r.Tags, r.Meta = []string{"a", "b"}, map[string]string{"team": "shop", "source": "mine", "task-id": "mine"}
		}),
		"weights-override-enterprise": basic(func(r *Registration) {
			r.Weights, r.EnableTagOverride, r.Namespace, r.Partition = &api.AgentWeights{Passing: 10, Warning: 1}, true, "ns", "ap"
		}),
		"proxy": basic(func(r *Registration) {
			r.Proxy = Proxy{Port: 21000, ListenerAddress: "127.0.0.9", LocalServiceAddress: "127.0.0.9",
				Config: map[string]any{"protocol": "http"},
				Upstreams: []api.Upstream{{DestinationName: "api", LocalBindPort: 9191, LocalBindAddress: "127.0.0.9", Datacenter: "dc2",
					DestinationType: api.UpstreamDestTypeService, Config: map[string]any{"connect_timeout_ms": 100.0},
					MeshGateway: api.MeshGatewayConfig{Mode: api.MeshGatewayModeLocal}}},
				MeshGateway: api.MeshGatewayConfig{Mode: api.MeshGatewayModeRemote},
				Expose:      api.ExposeConfig{Checks: true, Paths: []api.ExposePath{{ListenerPort: 21500, Path: "/m", LocalPathPort: 8080, Protocol: "http2"}}}}
		}),
		"of-ecs": basic(func(r *Registration) {
			r.Zone, r.Revision, r.LaunchType, r.Meta = "us-east-1a", "41", "FARGATE", map[string]string{"ecs-zone": "mine"}
		}),
		"upstream-of-a-peer": basic(func(r *Registration) {
			r.Proxy.Upstreams = []api.Upstream{{DestinationName: "api", DestinationPeer: "eu", LocalBindPort: 9191}}
		}),
		"external-agent": basic(func(r *Registration) { r.Address = "10.1.2.3" }),
	}
}

func TestPayloads(t *testing.T) {
	for name, r := range scenarios() {
		t.Run(name, func(t *testing.T) {
			got := &txtar.Archive{}
			for part, payload := range map[string]any{"1 service": r.Service(), "2 sidecar": r.Sidecar(), "3 listener check": r.ListenerCheck("")} {
				doc, err := json.MarshalIndent(payload, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				got.Files = append(got.Files, txtar.File{Name: part, Data: append(doc, '\n')})
			}
			golden(t, name, got)
		})
	}
}

func golden(t *testing.T, name string, got *txtar.Archive) {
	t.Helper()
	file := filepath.Join("testdata", name+".txtar")
	want := map[string]string{}
	if old, err := txtar.ParseFile(file); err == nil {
		for _, f := range old.Files {
			want[f.Name] = string(f.Data)
		}
	} else if !*update {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, f := range got.Files {
		have[f.Name] = string(f.Data)
	}
	diff := cmp.Diff(want, have)
	if diff == "" {
		return
	}
	if !*update {
		t.Errorf("%s (-want +got):\n%s", file, diff)
		return
	}
	sorted := &txtar.Archive{}
	for _, part := range []string{"1 service", "2 sidecar", "3 listener check"} {
		if data, ok := have[part]; ok {
			sorted.Files = append(sorted.Files, txtar.File{Name: part, Data: []byte(data)})
		}
	}
	if err := os.WriteFile(file, txtar.Format(sorted), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestNames(t *testing.T) {
	r := scenarios()["user-meta"]
	for got, want := range map[string]string{
		r.ServiceID():    "test-service-abcdef",
		r.ProxyID():      "test-service-abcdef-sidecar-proxy",
		r.CheckID("app"): "test-service-abcdef-app-consul-ecs",
		r.ListenerID():   "service:test-service-abcdef-sidecar-proxy:1",
		r.AliasID():      "service:test-service-abcdef-sidecar-proxy:2",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if diff := cmp.Diff([]string{"source", "task-id"}, r.Overridden()); diff != "" {
		t.Errorf("overridden meta (-want +got):\n%s", diff)
	}
	if r.Meta["source"] != "mine" {
		t.Error("the caller's meta was changed")
	}
}
