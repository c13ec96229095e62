package deploy_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// probes are the forms of a health or readiness check that needs more of an image than the app:
// in JSON, also within a string, YAML, HCL, TypeScript and on a command line.
func probes() []*regexp.Regexp {
	const (
		between = `["'\s,\[-]+`
		program = `(/\S*/)?(curl|wget|busybox|(ba|da|a)?sh)\b`
	)
	return []*regexp.Regexp{
		regexp.MustCompile(`\bCMD-SHELL\b`),
		regexp.MustCompile(`\bCMD["']?` + between + program),
		regexp.MustCompile(`\bexec["']?\s*[:=]\s*` + between + program),
		regexp.MustCompile(`--health[ =]["']?` + program),
	}
}

func probed(text string) []string {
	text = strings.ReplaceAll(text, `\"`, `"`)
	var out []string
	for _, p := range probes() {
		out = append(out, p.FindAllString(text, -1)...)
	}
	return out
}

// An image of ours or of a user need not hold a shell or curl, and a check by a program that is
// missing fails for ever, so that ECS replaces the task each time: no example shows one.
func TestProbesNeedNoShell(t *testing.T) {
	// What the pages show of a definition before meshtask, and what becomes of it.
	others := map[string]int{"../docs/from-consul-ecs.md": 2, "../docs/from-app-mesh.md": 1}
	seen := 0
	for _, path := range shipped(t) {
		seen++
		if got := probed(string(read(t, path))); len(got) != others[path] {
			t.Errorf("%s: want %d checks by a shell or curl, got %q: use http, tcp or grpc, or a program of the app", path, others[path], got)
		}
		delete(others, path)
	}
	if seen < 60 || len(others) > 0 {
		t.Errorf("%d files were looked at, and not %v", seen, others)
	}
}

// shipped are the examples, the pages and the help.
func shipped(t *testing.T) []string {
	t.Helper()
	paths := []string{"../README.md", "../Dockerfile", "../cmd/meshtask/commands.go"}
	for _, root := range []string{".", "../docs"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && slices.Contains([]string{"node_modules", "test", ".terraform", "out", "cdk.out"}, d.Name()) {
				return fs.SkipDir
			}
			if slices.Contains([]string{".json", ".yaml", ".yml", ".tf", ".hcl", ".ts", ".md"}, filepath.Ext(path)) {
				paths = append(paths, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func TestProbed(t *testing.T) {
	for _, text := range []string{
		`"healthCheck": {"command": ["CMD-SHELL", "pg_isready"]}`,
		`"value": "{\"health\":{\"app\":{\"command\":[\"CMD\",\"curl\",\"-f\",\"x\"]}}}"`,
		`HealthCheck: {Command: [CMD, /usr/bin/wget, -q, x]}`,
		"healthcheck:\n  test:\n    - CMD\n    - bash\n    - -c",
		`healthCheck = { command = ["CMD", "/bin/sh", "-c", "x"] }`,
		`app: { ready: { exec: ['curl', '-f'] } }`,
		`"ready": {"exec": ["/bin/sh", "-c", "true"]}`,
		`meshtask taskdef render --health 'curl -fs x'`,
	} {
		if len(probed(text)) == 0 {
			t.Errorf("passed over: %s", text)
		}
	}
	for _, text := range []string{`{"command": ["CMD", "meshtask", "health"]}`, `[CMD, /web, check]`, `"ready": {"http": "http://x/sh"}`, `--health http://127.0.0.1:8080/curl`} {
		if got := probed(text); len(got) > 0 {
			t.Errorf("%s is refused for %q", text, got)
		}
	}
}
