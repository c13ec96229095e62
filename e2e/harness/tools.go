package harness

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// pinned is the version of a part in tools/versions.
func pinned(t T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), "tools", "versions"))
	found := regexp.MustCompile(`(?m)^` + name + `=(\d+\.\d+\.\d+)$`).FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("tools/versions has no %s: %v", name, err)
	}
	return string(found[1])
}

// fits says whether what a program says of itself is of the minor that is pinned.
func fits(t T, name string, said []byte) bool {
	t.Helper()
	major, minor, _ := strings.Cut(pinned(t, name), ".")
	minor, _, _ = strings.Cut(minor, ".")
	return regexp.MustCompile(`[/v]` + major + `\.` + minor + `\.\d+`).Match(said)
}

// ToolsVariable names a folder whose consul and envoy are taken instead, whatever their
// versions, and ServerVariable the consul that servers run, if it is to be another one:
// e2e/matrix sets them.
const (
	ToolsVariable  = "MESHTASK_E2E_TOOLS"
	ServerVariable = "MESHTASK_E2E_SERVER"
)

// Consul returns the path of a fitting consul binary. A missing one fails the
// test: a test without its real part has shown nothing.
func Consul(t T) string { t.Helper(); return tool(t, "consul", "version") }

// ServerConsul is the consul binary of servers.
func ServerConsul(t T) string {
	t.Helper()
	if path := os.Getenv(ServerVariable); path != "" {
		return path
	}
	return Consul(t)
}

// Envoy returns the path of a fitting envoy binary, or fails the test.
func Envoy(t T) string { t.Helper(); return tool(t, "envoy", "--version") }

func tool(t T, name, versionArg string) string {
	t.Helper()
	if dir := os.Getenv(ToolsVariable); dir != "" {
		return filepath.Join(dir, name)
	}
	ours := filepath.Join(Root(t), ".tools", "bin", name)
	if _, err := os.Stat(ours); err == nil {
		return ours
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is neither in .tools/bin nor on PATH: run make tools", name)
	}
	out, err := exec.CommandContext(t.Context(), path, versionArg).CombinedOutput()
	if err != nil || !fits(t, name, out) {
		t.Fatalf("%s at %s does not fit (%s): run make tools", name, path, firstLine(out))
	}
	return path
}

// Meshtask builds the program with the race detector where a C compiler exists
// and returns its path. Builds are shared through .tools/e2e.
func Meshtask(t T) string {
	t.Helper()
	if race(t) {
		return build(t, "meshtask-race", Root(t), "./cmd/meshtask", "CGO_ENABLED=1", "-race")
	}
	return Plain(t)
}

// SiblingVariable names another build of the program, which the app containers of sibling tasks
// run; with MESHTASK_E2E_BUILT_meshtask the mesh containers do. tools/mixed.sh sets them.
const SiblingVariable = "MESHTASK_E2E_SIBLING"

// Sibling is the program of app containers: Meshtask, or SiblingVariable's.
func Sibling(t T) string {
	t.Helper()
	if path := os.Getenv(SiblingVariable); path != "" {
		return path
	}
	return Meshtask(t)
}

// Plain builds the program as it is shipped; measurements need it.
func Plain(t T) string {
	t.Helper()
	return build(t, "meshtask", Root(t), "./cmd/meshtask", "CGO_ENABLED=0", "-trimpath")
}

// App builds the small app (package e2e/app) and returns its path.
func App(t T) string {
	t.Helper()
	return build(t, "app", filepath.Join(Root(t), "e2e"), "./app", "CGO_ENABLED=0")
}

// Sweep builds the floor of the controller's quiet sweep (package e2e/sweep).
func Sweep(t T) string {
	t.Helper()
	return build(t, "sweep", filepath.Join(Root(t), "e2e"), "./sweep", "CGO_ENABLED=0", "-trimpath")
}

// build makes a program once per process, which its environment remembers. It
// goes by way of a folder of its own, for runs beside each other. The go command
// leaves a program alone that is up to date; so it is given the one that is
// there, and no version stamp, which each commit would make stale.
func build(t T, name, dir, pkg, env string, flags ...string) string {
	t.Helper()
	built := "MESHTASK_E2E_BUILT_" + name
	if path := os.Getenv(built); path != "" {
		return path
	}
	shared := filepath.Join(Root(t), ".tools", "e2e")
	if err := os.MkdirAll(shared, 0o755); err != nil {
		t.Fatalf("cannot make the folder of the test programs: %v", err)
	}
	own, err := os.MkdirTemp(shared, "build-")
	if err != nil {
		t.Fatalf("cannot make a folder to build in: %v", err)
	}
	defer os.RemoveAll(own)
	fresh, out := filepath.Join(own, name), filepath.Join(shared, name)
	if err := os.Link(out, fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("cannot take the program of the last run: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-buildvcs=false", "-o", fresh}, flags...), pkg)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", pkg, err, text)
	}
	if err := os.Rename(fresh, out); err != nil {
		t.Fatalf("cannot put the program in its place: %v", err)
	}
	if err := os.Setenv(built, out); err != nil {
		t.Fatalf("cannot remember the program: %v", err)
	}
	return out
}

// race tells whether the go command could build with -race: it needs a C compiler.
func race(t T) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "CC").Output()
	if err != nil {
		t.Fatalf("go env CC: %v", err)
	}
	_, err = exec.LookPath(strings.TrimSpace(string(out)))
	return err == nil
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}
