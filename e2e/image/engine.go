package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"meshtask/e2e/harness"
)

// request is one build: of what, and with which arguments.
type request struct {
	context string
	bases   *bases
	args    map[string]string
}

// newRequest asks for a build for arch, with the bases that are here.
func newRequest(context string, b *bases, arch string) request {
	r := request{context: context, bases: b, args: map[string]string{"TARGETARCH": arch, "VERSION": "image-test"}}
	for _, arg := range baseArgs() {
		r.args[arg] = reference(arg)
	}
	for _, name := range []string{"GOPROXY"} {
		if value := os.Getenv(name); value != "" {
			r.args[name] = value
		}
	}
	return r
}

// noBuildah tells why buildah does not build here; "" when it does.
func noBuildah(t harness.T) string {
	if _, err := exec.LookPath("buildah"); err != nil {
		return "buildah is not on PATH (Debian: apt-get install buildah)"
	}
	if os.Geteuid() != 0 {
		return "buildah's images can be looked into by root only"
	}
	if out, err := exec.CommandContext(t.Context(), "buildah", "--storage-driver", "vfs", "--root", t.TempDir(), "--runroot", t.TempDir(), "from", "scratch").CombinedOutput(); err != nil {
		return fmt.Sprintf("buildah cannot make an empty container: %s", bytes.TrimSpace(out))
	}
	return ""
}

// buildah builds with the engine of that name: no daemon, storage of its own
// that goes with the test.
type buildah struct {
	request
	storage string
}

func newBuildah(t harness.T) *buildah { return &buildah{storage: t.TempDir()} }

// take takes the next build on; the first one's bases are loaded.
func (b *buildah) take(t harness.T, r request) *buildah {
	loaded := b.bases != nil
	b.request = r
	if loaded {
		return b
	}
	for ref, tree := range r.bases.trees {
		lines := []string{"FROM scratch", "COPY . /"}
		if ref == reference("GO_IMAGE") {
			for _, kv := range r.bases.env {
				name, value, _ := strings.Cut(kv, "=")
				lines = append(lines, fmt.Sprintf("ENV %s=%q", name, value))
			}
		}
		path := filepath.Join(t.TempDir(), "Dockerfile")
		must(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
		b.do(t, "bud", "--isolation", "chroot", "--format", "docker", "-t", ref, "-f", path, tree)
	}
	return b
}

func (b *buildah) do(t harness.T, args ...string) string {
	cmd := exec.CommandContext(t.Context(), "buildah", append([]string{"--storage-driver", "vfs", "--root", b.storage + "/root", "--runroot", b.storage + "/run"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("buildah %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// stage builds a target, and lays its tree open.
func (b *buildah) stage(t harness.T, target string) *image {
	tag := "localhost/" + target + ":" + b.args["TARGETARCH"]
	args := []string{"bud", "--isolation", "chroot", "--format", "docker", "--pull-never", "--target", target, "-t", tag,
		"--platform", "linux/" + b.args["TARGETARCH"]}
	for _, name := range slices.Sorted(maps.Keys(b.args)) {
		if name != "TARGETARCH" { // the engine sets it
			args = append(args, "--build-arg", name+"="+b.args[name])
		}
	}
	args = append(args, "--build-arg", "BUILDPLATFORM=linux/"+runtime.GOARCH) // buildah 1.28 does not know it
	for _, bind := range b.bases.binds {
		args = append(args, "-v", bind)
	}
	b.do(t, append(args, b.context)...)
	var doc struct {
		Docker struct {
			Config struct {
				User, WorkingDir, StopSignal string
				Env, Entrypoint, Cmd         []string
				Volumes                      map[string]struct{}
				Healthcheck                  struct{ Test []string }
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(b.do(t, "inspect", "--type", "image", tag)), &doc); err != nil {
		t.Fatalf("buildah inspect %s: %v", tag, err)
	}
	c := doc.Docker.Config
	img := &image{Entrypoint: c.Entrypoint, Cmd: c.Cmd, Volumes: slices.Sorted(maps.Keys(c.Volumes)), Env: c.Env, User: c.User, Dir: c.WorkingDir, StopSignal: c.StopSignal}
	if test := c.Healthcheck.Test; len(test) > 0 {
		if test[0] != "CMD" {
			t.Fatalf("the health check of %s needs a shell: %q", target, test)
		}
		img.Health = test[1:]
	}
	img.Tree = b.do(t, "mount", b.do(t, "from", "--pull-never", tag))
	return img
}
