package consulagent

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDocuments(t *testing.T) {
	minimum := AgentConfig{NodeName: "ecs-1", DataDir: "/d", BindAddress: "10.0.0.7", ClientAddress: "127.0.0.1",
		RetryJoin: []string{"10.0.3.7"}, Ports: Ports{HTTP: 8500, GRPC: 8502, SerfLAN: 8301, DNS: -1}}
	full := minimum
	full.Datacenter, full.Partition, full.GossipKey, full.CAFile, full.AutoEncrypt, full.VerifyServerHostname = "dc1", "ap", "key", "/ca.pem", true, true
	full.ACLs, full.AgentToken, full.AdvertiseAddress, full.LogLevel = true, "token", "10.0.0.8", "DEBUG"
	full.Extra = map[string]any{"telemetry": map[string]any{"prometheus_retention_time": "1m"}, "gossip_lan": map[string]any{"probe_interval": "2s"}}
	for name, c := range map[string]AgentConfig{"agent-min": minimum, "agent-full": full} {
		doc, err := c.Document()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", name+".json"), append(doc, '\n'))
	}
	if _, ours := full.Extra["gossip_lan"].(map[string]any)["gossip_interval"]; ours {
		t.Error("the caller's extra configuration was changed")
	}
}

// An agent whose metrics are asked for keeps them, for as long as the user says where they do.
func TestPrometheus(t *testing.T) {
	c := AgentConfig{Prometheus: true, Extra: map[string]any{"telemetry": map[string]any{"prometheus_retention_time": "5m"}}}
	text, err := c.Document() // the user's key is not one of ours
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Telemetry map[string]any }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"prometheus_retention_time": "5m", "disable_hostname": true}, doc.Telemetry); diff != "" {
		t.Error(diff)
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestExtraConfig(t *testing.T) {
	for name, c := range map[string]struct {
		extra map[string]any
		want  string // in the error; "" is none
	}{
		"free":               {map[string]any{"telemetry": map[string]any{"x": 1}, "tls": map[string]any{"grpc": map[string]any{"x": 1}}}, ""},
		"ours":               {map[string]any{"node_name": "x", "log_level": "err"}, "log_level, node_name"},
		"ours, nested":       {map[string]any{"acl": map[string]any{"tokens": map[string]any{"agent": "x"}}}, "acl.tokens.agent"},
		"beside ours":        {map[string]any{"acl": map[string]any{"tokens": map[string]any{"default": "x"}}}, ""},
		"a scalar above":     {map[string]any{"gossip_lan": 1}, "gossip_lan.gossip_interval"},
		"not emitted now":    {map[string]any{"encrypt": "x"}, "encrypt"},
		"making it a server": {map[string]any{"server": true}, "server"},
	} {
		_, err := AgentConfig{Extra: c.extra}.Document()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), "must not hold "+c.want+":")):
			t.Errorf("%s: got %v, want a refusal of %s", name, err, c.want)
		}
	}
}
