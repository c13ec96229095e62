package parts

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	"golang.org/x/tools/txtar"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
)

var record = flag.Bool("record", false, "write what consul connect envoy prints into ../../envoy/bootstrap/testdata, and what Envoy prints into ../../envoy/metrics/testdata")

// bootstrapCase is one of the golden files that package envoy's own tests use.
type bootstrapCase struct {
	file     string
	archive  *txtar.Archive
	settings struct {
		XDS, CA, Token string
		Env            map[string]string
	}
	config map[string]any
}

func bootstrapCases(t *testing.T) (cases []bootstrapCase) {
	t.Helper()
	files, _ := filepath.Glob("../../envoy/bootstrap/testdata/bootstrap/*.txtar")
	if len(files) < 18 {
		t.Fatalf("%d golden files", len(files))
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := bootstrapCase{file: file, archive: archive}
		if err := json.Unmarshal(c.part("settings.json"), &c.settings); err != nil {
			t.Fatal(file, err)
		}
		if err := json.Unmarshal(c.part("config.json"), &c.config); err != nil {
			t.Fatal(file, err)
		}
		cases = append(cases, c)
	}
	return cases
}

func (c bootstrapCase) part(name string) []byte {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func (c bootstrapCase) env() (env []string) {
	for name, value := range c.settings.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// consulPrints runs the real command as a person would.
func consulPrints(t *testing.T, b *envoyBed, c bootstrapCase) []byte {
	t.Helper()
	xds := c.settings.XDS
	argv := []string{"connect", "envoy", "-bootstrap", "-proxy-id", envoyProxyID, "-http-addr", b.server.HTTP, "-admin-bind", "127.0.0.1:19000"}
	if c.settings.CA != "" {
		ca := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, []byte(c.settings.CA), 0o600); err != nil {
			t.Fatal(err)
		}
		argv, xds = append(argv, "-grpc-ca-file", ca), "https://"+xds
	}
	cmd := exec.CommandContext(t.Context(), harness.Consul(t), append(argv, "-grpc-addr", xds)...)
	cmd.Env = c.env()
	if c.settings.Token != "" {
		cmd.Env = append(cmd.Env, "CONSUL_HTTP_TOKEN="+c.settings.Token)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("consul connect envoy: %v: %s", err, stderr.String())
	}
	return out
}

// registerBare leaves proxy.config as it is in the golden file.
func registerBare(b *envoyBed, config map[string]any) {
	b.t.Helper()
	b.register(nil)
	err := b.server.API.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: envoyProxyID, Name: "web-sidecar-proxy", Kind: api.ServiceKindConnectProxy, Port: 20000,
		Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "web", DestinationServiceID: "web-1", LocalServicePort: 8080, Config: config},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// withoutRetry takes out the one thing that ours has beyond Consul's.
func withoutRetry(t *testing.T, doc map[string]any) map[string]any {
	t.Helper()
	ads := doc["dynamic_resources"].(map[string]any)["ads_config"].(map[string]any)
	grpc := ads["grpc_services"].(map[string]any)["envoy_grpc"].(map[string]any)
	if _, ok := grpc["retry_policy"]; !ok {
		t.Error("no retry_policy")
	}
	delete(grpc, "retry_policy")
	return doc
}

// For each golden file: the real command still prints it, our document from the
// real agent's registration is the same, and the command run by us is too.
func TestEnvoyBootstrapIsConsuls(t *testing.T) {
	b := newEnvoyBed(t)
	for _, c := range bootstrapCases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(c.file), ".txtar"), func(t *testing.T) {
			registerBare(b, c.config)
			printed := consulPrints(t, b, c)
			if *record {
				for i := range c.archive.Files {
					if c.archive.Files[i].Name == "want.json" {
						c.archive.Files[i].Data = printed
					}
				}
				if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want := jsonOf(t, printed)
			if diff := cmp.Diff(jsonOf(t, c.part("want.json")), want); diff != "" {
				t.Errorf("the golden file is not what the command prints; run with -record (-golden +now):\n%s", diff)
			}
			for _, byCommand := range []bool{false, true} {
				dir := t.TempDir()
				w := envoy.Bootstrap{
					Settings: bootstrap.Settings{
						ProxyID: envoyProxyID, XDS: c.settings.XDS, CA: c.settings.CA, Admin: "127.0.0.1:19000",
						Token:     func() string { return c.settings.Token },
						Env:       func(name string) string { return c.settings.Env[name] },
						StatsTags: bootstrap.AllStatsTags(),
					},
					File:       filepath.Join(dir, "b.json"),
					Put:        writer(dir),
					Registered: b.registered, UseCommand: byCommand,
					Command: envoy.Command{Path: harness.Consul(t), HTTP: b.server.HTTP, Start: b.sup, Env: c.env()},
				}
				if err := w.Write(t.Context()); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(w.File)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, withoutRetry(t, jsonOf(t, text))); diff != "" {
					t.Errorf("by command %v (-consul +ours):\n%s", byCommand, diff)
				}
			}
		})
	}
}

// What stands in central defaults counts like the task's own proxy.config.
func TestEnvoyBootstrapFromCentralConfig(t *testing.T) {
	b := newEnvoyBed(t)
	b.server.Entry(t, &api.ProxyConfigEntry{Kind: api.ProxyDefaults, Name: api.ProxyConfigGlobal, Config: map[string]any{
		"envoy_prometheus_bind_addr": "127.0.0.1:20200", "envoy_stats_flush_interval": "7s",
	}})
	registerBare(b, map[string]any{"envoy_stats_tags": []string{"team=shop"}})
	c := bootstrapCase{}
	c.settings.XDS = "127.0.0.1:8502"
	want := jsonOf(t, consulPrints(t, b, c))
	if want["stats_flush_interval"] != "7s" {
		t.Fatal("the command does not see proxy-defaults")
	}
	r, err := b.registered(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	text, err := bootstrap.Document(bootstrap.Settings{ProxyID: envoyProxyID, XDS: c.settings.XDS, Admin: "127.0.0.1:19000", StatsTags: bootstrap.StatsTags{Auto: true}}, r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, withoutRetry(t, jsonOf(t, text))); diff != "" {
		t.Errorf("(-consul +ours):\n%s", diff)
	}
}
