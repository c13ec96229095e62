package deploy_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floating are the images that are named by a tag alone, each with why.
func floating() map[string]string {
	return map[string]string{
		"hashicorp/consul:1.22.6": "no registry could be asked when the others were pinned, and no public record pairs this tag with a digest: make images-update",
	}
}

var (
	base   = regexp.MustCompile(`(?m)^ARG ([A-Z]+_IMAGE)=(\S+)$`)
	pinned = regexp.MustCompile(`^[a-z0-9./_-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}$`)
)

// bases are the build arguments of the Dockerfile that name an image.
func bases(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range base.FindAllStringSubmatch(string(read(t, "../Dockerfile")), -1) {
		out[m[1]] = m[2]
	}
	if len(out) < 4 {
		t.Fatalf("only %v were found", out)
	}
	return out
}

// Whatever we build from or run is named by tag and digest, in one place: a tag
// alone gives another image tomorrow.
func TestImagesAreByDigest(t *testing.T) {
	except, unused := floating(), floating()
	check := func(where, ref string) {
		delete(unused, ref)
		if except[ref] == "" && !pinned.MatchString(ref) {
			t.Errorf("%s: %s has no digest: make images-update, or say in floating() why not", where, ref)
		}
	}
	named := bases(t)
	for arg, ref := range named {
		check(arg, ref)
	}
	stages := []string{"scratch"}
	for _, m := range regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+) AS (\S+)$`).FindAllStringSubmatch(string(read(t, "../Dockerfile")), -1) {
		if arg := strings.Trim(m[1], "${}"); !slices.Contains(stages, m[1]) && named[arg] == "" {
			t.Errorf("FROM %s: name the image in an ARG at the top", m[1])
		}
		stages = append(stages, m[2])
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY .*--from=(\S+)`).FindAllStringSubmatch(string(read(t, "../Dockerfile")), -1) {
		if !slices.Contains(stages, m[1]) {
			t.Errorf("COPY --from=%s: name the image in an ARG at the top", m[1])
		}
	}
	if len(stages) < 8 {
		t.Errorf("only the stages %v were found", stages)
	}
	used := 0
	for _, m := range regexp.MustCompile(`(?m)^ +image: (\S+)$`).FindAllStringSubmatch(string(read(t, "compose.yaml")), -1) {
		if m[1] == "meshtask-example" { // built here, from the Dockerfile
			continue
		}
		used++
		check("compose.yaml", m[1])
		if m[1] != named["CONSUL_IMAGE"] {
			t.Errorf("compose.yaml runs %s, the Dockerfile has %s", m[1], named["CONSUL_IMAGE"])
		}
	}
	if used != 1 {
		t.Errorf("compose.yaml has %d images that are not built here, want 1", used)
	}
	for ref, why := range unused {
		t.Errorf("%s is an exception that nothing needs any more (%s): take it out of floating()", ref, why)
	}
}

// A page that shows a Dockerfile shows the versions that we test, and leaves the
// digest to its reader (docs/images.md says how).
func TestImagesInPages(t *testing.T) {
	named := bases(t)
	seen := 0
	for _, page := range []string{"../README.md", "../docs/use-single-container.md", "../docs/use-siblings.md", "../docs/images.md"} {
		for _, m := range regexp.MustCompile(`(?:hashicorp/consul|envoyproxy/envoy|debian|golang):[a-z0-9._-]+`).FindAllString(string(read(t, page)), -1) {
			seen++
			if !slices.ContainsFunc(slices.Collect(maps.Values(named)), func(ref string) bool { return strings.HasPrefix(ref+"@", m+"@") }) {
				t.Errorf("%s shows %s; we build from %v", page, m, named)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d images were found in the pages", seen)
	}
}

// make images-update writes each tag's digest where the image is named; -check
// only looks. A registry is asked by a stand-in of crane.
func TestImagesUpdate(t *testing.T) {
	root := t.TempDir()
	for _, file := range []string{"Dockerfile", "tools/images.sh", "deploy/compose.yaml"} {
		text := read(t, filepath.Join("..", file))
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	digest := "sha256:" + strings.Repeat("5a", 32)
	crane := func(prints string) {
		script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = digest ] || exit 9\necho \"$2\" >>%s/asked\n%s\n", root, prints)
		if err := os.WriteFile(filepath.Join(root, "crane"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(root, "tools/images.sh"), args...)
		cmd.Env = append(os.Environ(), "PATH="+root+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	text := func(file string) string { return string(read(t, filepath.Join(root, file))) }
	before, composed := text("Dockerfile"), text("deploy/compose.yaml")

	crane("echo " + digest)
	if out, err := run("-check"); err == nil || text("Dockerfile") != before {
		t.Errorf("-check, with every tag moved: %v, it must fail and write nothing\n%s", err, out)
	}
	if out, err := run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, ref := range bases(t) {
		tag, _, _ := strings.Cut(ref, "@")
		if !strings.Contains(text("Dockerfile"), "="+tag+"@"+digest+"\n") {
			t.Errorf("the Dockerfile has not %s@%s", tag, digest)
		}
		if !strings.Contains(text("asked"), tag+"\n") {
			t.Errorf("nobody asked for %s", tag)
		}
	}
	if !strings.Contains(text("deploy/compose.yaml"), "image: hashicorp/consul:1.22.6@"+digest+"\n") || len(text("deploy/compose.yaml")) < len(composed) {
		t.Errorf("compose.yaml:\n%s", text("deploy/compose.yaml"))
	}
	if out, err := run("-check"); err != nil {
		t.Errorf("-check, with nothing moved: %v\n%s", err, out)
	}
	before = text("Dockerfile")
	crane("echo no such tag >&2; exit 1")
	if out, err := run(); err == nil || !strings.Contains(out, "GO_IMAGE: the digest of golang:") || text("Dockerfile") != before {
		t.Errorf("a registry that does not answer: %v\n%s", err, out)
	}
	crane("echo latest")
	if out, err := run(); err == nil || text("Dockerfile") != before {
		t.Errorf("an answer that is no digest: %v\n%s", err, out)
	}
}
