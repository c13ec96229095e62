package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// Two releases of one tree, made in different folders, one of them a git checkout
// and with other settings of Go around it, are the same bytes: whoever doubts a
// release makes it again. One architecture is made here; make test-image builds the
// program once more with an empty compiler's cache.
func TestReleaseIsReproducible(t *testing.T) {
	plain := release(t, filepath.Join(t.TempDir(), "a"), nil)
	checkout := filepath.Join(t.TempDir(), "another folder", "b")
	other := release(t, checkout, func() {
		for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "a"}} {
			run(t, checkout, nil, "git", args...)
		}
	}, "GOFLAGS=-buildvcs=true", "GOAMD64=v3", "GOEXPERIMENT=arenas", "LC_ALL=C.UTF-8", "TZ=Asia/Tokyo")
	if names := slices.Sorted(maps.Keys(plain)); !slices.Equal(names, slices.Sorted(maps.Keys(other))) {
		t.Fatalf("other files: %v, %v", names, slices.Sorted(maps.Keys(other)))
	}
	for name, text := range plain {
		if other[name] != text {
			t.Errorf("%s has other bytes in another folder", name)
		}
	}
	holds(t, plain)
}

// holds checks what is in a release: the program, what it is made of, under which
// licences, and checksums of all.
func holds(t *testing.T, files map[string]string) {
	t.Helper()
	name := "meshtask-linux-" + runtime.GOARCH
	if want, got := []string{"LICENSE", "NOTICE", "SHA256SUMS", "THIRD_PARTY_LICENSES.txt", name, name + ".cdx.json"}, slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		t.Fatalf("the release is %v, want %v", got, want)
	}
	for file, text := range files {
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(text)), file)
		if file != "SHA256SUMS" && !strings.Contains(files["SHA256SUMS"], line) {
			t.Errorf("SHA256SUMS has not %s", line)
		}
	}
	var bom struct {
		BomFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(files[name+".cdx.json"]), &bom); err != nil {
		t.Fatal(err)
	}
	if c := bom.Metadata.Component; bom.BomFormat != "CycloneDX" || c.Name != "meshtask" || c.Version != "v1.2.3-test" {
		t.Errorf("the SBOM is a %s of %s %s", bom.BomFormat, c.Name, c.Version)
	}
	var components []string
	for _, c := range bom.Components {
		if c.Name != "std" {
			components = append(components, c.Name+" "+c.Version)
		}
	}
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^  (\S+ v\S+) +\S`).FindAllStringSubmatch(files["NOTICE"], -1) {
		named = append(named, m[1])
	}
	slices.Sort(components)
	slices.Sort(named)
	if len(components) == len(bom.Components) {
		t.Error("the SBOM does not name Go's standard library")
	}
	for _, c := range components { // NOTICE has the other architecture's as well
		if !slices.Contains(named, c) {
			t.Errorf("the SBOM has %s, NOTICE has not", c)
		}
	}
	if len(components) < 10 {
		t.Errorf("the SBOM has only %v", components)
	}
}

// release copies the tree to dir, and makes a release there. It returns the files.
func release(t *testing.T, dir string, prepare func(), env ...string) map[string]string {
	t.Helper()
	root := harness.Root(t)
	must(t, os.MkdirAll(dir, 0o755))
	skip := []string{".git", ".tools", ".demo", "dist", "docs", "deploy", "conformance", "bench", "e2e", "meshtask"}
	must(t, copyTree(root, dir, -1, func(rel string) bool { return slices.Contains(skip, rel) }))
	if prepare != nil {
		prepare()
	}
	run(t, dir, append([]string{"VERSION=v1.2.3-test", "ARCHES=" + runtime.GOARCH}, env...), "tools/release.sh", "out")
	files := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(dir, "out"))
	must(t, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, "out", e.Name()))
		must(t, err)
		files[e.Name()] = string(text)
	}
	return files
}

func run(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	if !filepath.IsAbs(name) && strings.Contains(name, "/") {
		name = filepath.Join(dir, name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// A scan that was none says so, in one line; what a scan finds, and what else goes
// wrong, fails. govulncheck is played by a go that stands before ours.
func TestVulnSaysWhenItDidNotScan(t *testing.T) {
	for name, c := range map[string]struct {
		plays string
		code  int
		says  string
	}{
		"no database": {"echo 'govulncheck: fetching vulnerabilities: dial tcp: no such host' >&2; exit 1", 0, "vuln: NOT SCANNED: the vulnerability database cannot be reached (dial tcp: no such host)\n"},
		"nothing":     {"echo 'No vulnerabilities found.'", 0, "No vulnerabilities found.\n"},
		"a finding":   {"echo 'Vulnerability #1: GO-2026-0001'; exit 3", 3, "Vulnerability #1: GO-2026-0001\n"},
		"no build":    {"echo 'there are errors with the provided package patterns' >&2; exit 1", 1, "there are errors with the provided package patterns\n"},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+c.plays+"\n"), 0o755))
		cmd := exec.CommandContext(t.Context(), filepath.Join(harness.Root(t), "tools/vuln.sh"))
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || string(out) != c.says {
			t.Errorf("%s: %v, code %d: %s, want %d: %s", name, err, code, out, c.code, c.says)
		}
	}
}
