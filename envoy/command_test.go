package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/envoy/bootstrap"
	"meshtask/internal/event"
)

// playConsul is `consul connect envoy -bootstrap`: it writes its argv and what
// it reads from files to CONSUL_SEEN, then answers as the play says.
func playConsul(play string) int {
	f, _ := os.OpenFile(os.Getenv("CONSUL_SEEN"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	var seen []string
	for i, word := range os.Args[1:] {
		if slices.Contains([]string{"-token-file", "-grpc-ca-file", "-ca-file"}, word) {
			content, _ := os.ReadFile(os.Args[i+2])
			info, _ := os.Stat(os.Args[i+2])
			seen = append(seen, fmt.Sprintf("%s=%s %s", word, content, info.Mode()))
		}
	}
	line, _ := json.Marshal(append(os.Args[1:], seen...))
	fmt.Fprintf(f, "%s\n", line)
	f.Close()

	fmt.Fprintln(os.Stderr, "==> a warning that belongs to nobody's JSON")
	switch play {
	case "consul-hangs":
		select {}
	case "consul-fails":
		fmt.Fprintln(os.Stderr, "failed fetch proxy config from local agent: 403")
		return 1
	case "consul-late":
		if text, _ := os.ReadFile(os.Getenv("CONSUL_SEEN")); strings.Count(string(text), "\n") < 3 {
			return 1
		}
	case "consul-noise":
		fmt.Println("Registered service: web")
	case "consul-other":
		fmt.Println(`{"node":{"id":"another"}}`)
		return 0
	}
	fmt.Println(`{"node":{"id":"web-1-sidecar-proxy"},"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":19000}}},
	"static_resources":{"clusters":[{"name":"self_admin","x":{"address":{"socket_address":{"address":"127.0.0.1","port_value":19000}}}}]},
	"stats_config":{},"dynamic_resources":{"ads_config":{"grpc_services":[{"envoy_grpc":{}}]}},"huge":12345678901234567890}`)
	return 0
}

func command(t *testing.T, start Starter, play string) (b Bootstrap, seen func() []string) {
	dir := t.TempDir()
	log := filepath.Join(dir, "seen")
	b = Bootstrap{
		Settings: bootstrap.Settings{
			ProxyID: "web-1-sidecar-proxy", XDS: "127.0.0.1:8503", CA: "PEM", Admin: "/run/a.sock",
			Token: func() string { return "s3cret" },
		},
		File: filepath.Join(dir, "envoy-bootstrap.json"),
		Put:  func(name string, data []byte) error { return os.WriteFile(filepath.Join(dir, name), data, 0o600) },
		Registered: func(context.Context) (bootstrap.Registered, error) {
			return bootstrap.Registered{Namespace: "team"}, nil
		},
		UseCommand: true,
		Command: Command{
			Path: os.Args[0], HTTP: "127.0.0.1:8500", Start: start,
			Env: []string{"FAKE=" + play, "CONSUL_SEEN=" + log, "GORACE=atexit_sleep_ms=0"},
		},
	}
	return b, func() []string {
		text, _ := os.ReadFile(log)
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

func TestCommandMakesTheDocument(t *testing.T) {
	b, seen := command(t, newSupervisor(t), "consul")
	if err := b.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `{"admin":{"access_log":[{"name":"envoy.access_loggers.file","typed_config":{"@type":"type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog","path":"/dev/null"}}],` +
		`"address":{"pipe":{"mode":384,"path":"/run/a.sock"}}},` +
		`"dynamic_resources":{"ads_config":{"grpc_services":[{"envoy_grpc":{"retry_policy":{"retry_back_off":{"base_interval":"0.050s","max_interval":"2s"}}}}]}},` +
		`"huge":12345678901234567890,"node":{"id":"web-1-sidecar-proxy"},` +
		`"static_resources":{"clusters":[{"name":"self_admin","x":{"address":{"pipe":{"path":"/run/a.sock"}}}}]},"stats_config":{}}`
	got, err := os.ReadFile(b.File)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var argv []string
	if err := json.Unmarshal([]byte(seen()[0]), &argv); err != nil {
		t.Fatal(err)
	}
	wantArgv := []string{
		"connect", "envoy", "-bootstrap", "-proxy-id", "web-1-sidecar-proxy", "-http-addr", "127.0.0.1:8500",
		"-admin-bind", "127.0.0.1:19000", "-grpc-ca-file", b.File + ".ca", "-grpc-addr", "https://127.0.0.1:8503",
		"-token-file", b.File + ".token", "-namespace", "team",
		"-grpc-ca-file=PEM -rw-------", "-token-file=s3cret -rw-------",
	}
	if diff := cmp.Diff(wantArgv, argv); diff != "" {
		t.Error(diff)
	}
	onlyFiles(t, b, "envoy-bootstrap.json", "seen")
}

// At the servers, the command is given the node, and how to trust an https API; it has no say in
// where xDS is.
func TestCommandAtServers(t *testing.T) {
	b, seen := command(t, newSupervisor(t), "consul")
	b.NodeName, b.Servers, b.XDS = "n", &bootstrap.Servers{File: "/run/servers.json"}, ""
	b.Command.HTTP, b.Command.CA, b.Command.ServerName = "https://10.0.0.1:8501", "HTTP-PEM", "server.dc1.consul"
	if err := b.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	var argv []string
	if err := json.Unmarshal([]byte(seen()[0]), &argv); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"connect", "envoy", "-bootstrap", "-proxy-id", "web-1-sidecar-proxy", "-http-addr", "https://10.0.0.1:8501",
		"-admin-bind", "127.0.0.1:19000", "-node-name", "n", "-ca-file", b.File + ".http-ca", "-tls-server-name", "server.dc1.consul",
		"-grpc-addr", "127.0.0.1:8502", "-token-file", b.File + ".token", "-namespace", "team",
		"-ca-file=HTTP-PEM -rw-------", "-token-file=s3cret -rw-------",
	}
	if diff := cmp.Diff(want, argv); diff != "" {
		t.Error(diff)
	}
	onlyFiles(t, b, "envoy-bootstrap.json", "seen")
}

// onlyFiles checks that no file with a token stays behind.
func onlyFiles(t *testing.T, b Bootstrap, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(b.File))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
		if info, _ := e.Info(); e.Name() != "seen" && info.Mode() != 0o600 {
			t.Errorf("%s has mode %s", e.Name(), info.Mode())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

func TestCommandIsRetried(t *testing.T) {
	b, seen := command(t, newSupervisor(t), "consul-late")
	waits := 0
	b.Command.Report = func(event.Event) { waits++ }
	if err := b.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(seen()); got != 3 || waits != 3 {
		t.Errorf("%d tries, %d waits", got, waits)
	}
}

func TestCommandGivesUp(t *testing.T) {
	start := newSupervisor(t) // of which there is one at a time
	for play, want := range map[string]string{
		"consul-fails": "exited with 1: failed fetch proxy config from local agent: 403",
		"consul-noise": "consul connect envoy printed no JSON: invalid character 'R'",
		"consul-other": "printed a document for node.id another, not for web-1-sidecar-proxy",
	} {
		t.Run(play, func(t *testing.T) {
			t.Parallel()
			b, seen := command(t, start, play)
			err := b.Write(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), "envoy bootstrap: after 6 tries: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Error("the error has the token")
			}
			if got := len(seen()); got != commandTries {
				t.Errorf("%d tries", got)
			}
			onlyFiles(t, b, "seen")
		})
	}
}

func TestCommandEndsWithContext(t *testing.T) {
	b, _ := command(t, newSupervisor(t), "consul-hangs")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("the task stops"))
	defer cancel()
	if err := b.Write(ctx); err == nil || !strings.Contains(err.Error(), "the task stops") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownSettingsGoToConsul(t *testing.T) {
	b, seen := command(t, newSupervisor(t), "consul")
	b.UseCommand = false
	b.Registered = func(context.Context) (bootstrap.Registered, error) {
		return bootstrap.Registered{Config: map[string]any{"envoy_bootstrap_json_tpl": "{}"}}, nil
	}
	if err := b.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen()[0] == "" {
		t.Error("the command did not run")
	}
}

func TestVersionOfAnExecutable(t *testing.T) {
	got, err := Version(t.Context(), newSupervisor(t), os.Args[0], []string{"FAKE=version=1.34.1", "GORACE=atexit_sleep_ms=0"})
	if got != "1.34.1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A file that cannot be written is an error, which does not tell what was to be in it.
func TestATokenThatCannotBeWritten(t *testing.T) {
	b, _ := command(t, nil, "")
	b.UseCommand, b.TokenFile, b.CA = false, "/run/t.json", ""
	b.Registered = func(context.Context) (bootstrap.Registered, error) { return bootstrap.Registered{}, nil }
	b.PutToken = func([]byte) error { return os.ErrPermission }
	if err := b.Write(t.Context()); !errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}
