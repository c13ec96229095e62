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
	own := envoyVersion(t)
	binary, err := os.ReadFile(harness.Envoy(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(own) != len(other) || !bytes.Contains(binary, []byte(own)) {
		t.Fatalf("envoy %s cannot say that it is %s", own, other)
	}
	path := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(path, bytes.ReplaceAll(binary, []byte(own), []byte(other)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
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
	server.Empty(t, cleanWithin)
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
	if out := lenient.Output(); strings.Contains(out, "[WARN]") || strings.Contains(out, "[ERROR]") {
		t.Errorf("a served Envoy is warned about:\n%s", out)
	}
	strict := stuck(t, "strict", server, func(c map[string]any) { c["envoy"] = map[string]any{"command": path, "strictVersion": true} })
	strict.ended(t, 207)
	if out := strict.Output(); !strings.Contains(out, "does not list Envoy "+unheard) {
		t.Errorf("it says\n%s", strict.Tail(30))
	}
	server.Empty(t, cleanWithin)
}
