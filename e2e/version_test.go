package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// version is what a program says of itself.
func version(t *testing.T, path, flag, pattern string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path, flag).Output()
	found := regexp.MustCompile(pattern).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("%s %s: %v: %s", path, flag, err, out)
	}
	return string(found[1])
}

func envoyVersion(t *testing.T) string {
	t.Helper()
	return version(t, harness.Envoy(t), "--version", `/(\d+\.\d+\.\d+)/`)
}

// envoyThatSays is the real Envoy with another version in its place, of the same length.
func envoyThatSays(t *testing.T, other string) string {
	t.Helper()
	return patchedEnvoy(t, envoyVersion(t), other)
}

// patchedEnvoy is the real Envoy with one text for another of the same length.
func patchedEnvoy(t *testing.T, from, to string) string {
	t.Helper()
	binary, err := os.ReadFile(harness.Envoy(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(from) != len(to) || !bytes.Contains(binary, []byte(from)) {
		t.Fatalf("the text %q of envoy cannot be made %q", from, to)
	}
	path := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(path, bytes.ReplaceAll(binary, []byte(from), []byte(to)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// troubles are a task's lines at WARN and ERROR, but those of gossip on a machine that is busy.
func troubles(m member) (bad []string) {
	for line := range strings.Lines(m.Output()) {
		if (strings.Contains(line, "[WARN]") || strings.Contains(line, "[ERROR]")) && !strings.Contains(line, "memberlist: ") {
			bad = append(bad, line)
		}
	}
	return bad
}

// The real agent refuses the xDS stream of an Envoy that is older than all that it serves: 207 at
// once, with both versions and the pair that fits, live, recorded and from the log.
func TestTaskEnvoyThatConsulRefuses(t *testing.T) {
	t.Parallel()
	const old = "1.18.4"
	server := harness.StartServer(t, harness.ServerConfig{})
	consul := version(t, harness.Consul(t), "version", `Consul v(\S+)`)
	path := envoyThatSays(t, old)
	m := stuck(t, "old", server, func(c map[string]any) { c["envoy"] = map[string]any{"command": path} })
	m.ended(t, 207)
	text, err := m.why(t, "", "--dir", m.Dir)
	fromLog, errLog := m.why(t, m.Output(), "-")
	for from, text := range map[string]string{"record": text, "log": fromLog} {
		for _, word := range []string{"(code envoy-version;", "Consul " + consul + " refuses Envoy " + old, "with Consul ", "Consul 1.11 with Envoy 1.18"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s: no %q in\n%s", from, word, text)
			}
		}
	}
	if err != nil || errLog != nil {
		t.Error(err, errLog)
	}
	server.Empty(t, soon)
}

// A pair that Consul serves is never warned about, listed or not; envoy.strictVersion goes by
// the agent's own list.
func TestTaskEnvoyThatConsulDoesNotList(t *testing.T) {
	t.Parallel()
	const unheard = "1.99.9"
	server := harness.StartServer(t, harness.ServerConfig{})
	path := envoyThatSays(t, unheard)
	lenient := startTask(t, server, "lenient", "lenient", func(c map[string]any) { c["envoy"] = map[string]any{"command": path} })
	lenient.up(t)
	lenient.term(t)
	lenient.ended(t, 0)
	if bad := troubles(lenient); len(bad) > 0 {
		t.Errorf("a served Envoy is warned about:\n%s", strings.Join(bad, "\n"))
	}
	strict := stuck(t, "strict", server, func(c map[string]any) { c["envoy"] = map[string]any{"command": path, "strictVersion": true} })
	strict.ended(t, 207)
	if out := strict.Output(); !strings.Contains(out, "does not list Envoy "+unheard) {
		t.Errorf("it says\n%s", strict.Tail(30))
	}
	server.Empty(t, soon)
}

// An Envoy without the filter that reads the token from a file, as old ones are, gets the
// document that Consul prints: the task is up, nobody is warned, and no restart is counted.
func TestTaskEnvoyWithoutTheTokenFilter(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	path := patchedEnvoy(t, "credential_injector", "credential_injectoR")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(server.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startTask(t, server, "plain", "plain", func(c map[string]any) {
		c["acl"] = map[string]any{"serviceToken": "file:" + file, "agentToken": "file:" + file}
		c["envoy"] = map[string]any{"command": path}
	})
	m.up(t)
	document, err := os.ReadFile(filepath.Join(m.Dir, "envoy-bootstrap.json"))
	if err != nil || bytes.Contains(document, []byte("credential_injector")) || !bytes.Contains(document, []byte(server.Token)) {
		t.Errorf("the document has the filter, or no token: %v", err)
	}
	m.says(t, "this Envoy cannot read its token from a file")
	m.term(t)
	if s := m.ended(t, 0); s.Restarts["envoy"] != 0 {
		t.Errorf("summary %+v", s)
	}
	if bad := troubles(m); len(bad) > 0 {
		t.Errorf("it is warned about:\n%s", strings.Join(bad, "\n"))
	}
	server.Empty(t, soon)
}
