package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// engines makes a PATH with stand-ins of these engines, which note what they are asked, and the few
// programs that the script needs; a docker has buildx if that is named as well.
func engines(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, tool := range []string{"sh", "dirname", "uname", "git", "mkdir"} {
		path, err := exec.LookPath(tool)
		must(t, err)
		must(t, os.Symlink(path, filepath.Join(dir, tool)))
	}
	for _, name := range names {
		name, buildx := strings.CutSuffix(name, "+buildx")
		script := fmt.Sprintf("#!/bin/sh\n[ \"$1 $2\" != 'buildx version' ] || exit %d\necho \"%s $*\" >>%s/asked\n", map[bool]int{true: 0, false: 1}[buildx], name, dir)
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
	return dir
}

func buildImages(t *testing.T, dir string, args ...string) (out, asked string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(harness.Root(t), "tools/build-images.sh"), args...)
	cmd.Env = []string{"PATH=" + dir, "VERSION=v1.2.3", "OUT=" + filepath.Join(dir, "out")}
	text, _ := cmd.CombinedOutput() // its code says it
	notes, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text), string(notes), cmd.ProcessState.ExitCode()
}

// One command builds both images for both architectures with what is here; --dry-run says the same
// and runs nothing.
func TestBuildImages(t *testing.T) {
	const platforms = " --platform linux/amd64,linux/arm64 --target "
	for name, c := range map[string]struct {
		engines, args []string
		want          []string // commands in their order, without what follows
	}{
		"docker": {[]string{"buildah", "docker+buildx", "podman"}, []string{"--push", "r.example/shop/"}, []string{
			"docker buildx build" + platforms + "meshtask --build-arg VERSION=v1.2.3 -t r.example/shop/meshtask:v1.2.3 --output type=registry .",
			"docker buildx build" + platforms + "meshtask-mesh --build-arg VERSION=v1.2.3 -t r.example/shop/meshtask-mesh:v1.2.3 --output type=registry ."}},
		"docker without buildx": {[]string{"docker", "podman", "buildah"}, []string{"r.example/shop", "meshtask"}, []string{
			"podman build" + platforms + "meshtask --build-arg VERSION=v1.2.3 --build-arg BUILDPLATFORM=linux/", "podman manifest push --all r.example/shop/meshtask:v1.2.3 oci-archive:"}},
		"buildah": {[]string{"buildah"}, []string{"--push", "r.example/shop", "meshtask-mesh"}, []string{
			"buildah build" + platforms + "meshtask-mesh ", "buildah manifest push --all r.example/shop/meshtask-mesh:v1.2.3 docker://r.example/shop/meshtask-mesh:v1.2.3"}},
		"an archive": {[]string{"docker+buildx"}, []string{"r.example/shop", "meshtask"}, []string{"docker buildx build" + platforms + "meshtask --build-arg VERSION=v1.2.3 -t r.example/shop/meshtask:v1.2.3 --output type=oci,dest="}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := engines(t, c.engines...)
			dry, asked, code := buildImages(t, dir, append([]string{"--dry-run"}, c.args...)...)
			if code != 0 || asked != "" {
				t.Fatalf("--dry-run: exit code %d, and it has run %q\n%s", code, asked, dry)
			}
			out, asked, code := buildImages(t, dir, c.args...)
			if code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			lines := strings.Split(strings.TrimSpace(asked), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("run was\n%s\nwant %q", asked, c.want)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, c.want[i]) {
					t.Errorf("run was  %s\nwant     %s", line, c.want[i])
				}
				if !strings.Contains(dry, line+"\n") {
					t.Errorf("--dry-run does not say %s:\n%s", line, dry)
				}
			}
		})
	}
	for name, c := range map[string]struct {
		engines, args []string
		want          string
	}{
		"no engine":     {[]string{"docker"}, []string{"r.example/shop"}, "none of docker with buildx, podman, buildah is here: install one"},
		"no repository": {[]string{"podman"}, nil, "name the repository"},
		"no option":     {[]string{"podman"}, []string{"--pull", "r"}, "unknown option --pull"},
	} {
		if out, asked, code := buildImages(t, engines(t, c.engines...), c.args...); code != 1 || asked != "" || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, run was %q: %s, want %q", name, code, asked, out, c.want)
		}
	}
}
