// Command image builds the images of the Dockerfile and runs what is in them: the
// whole life of a task as the user of the image, on a read-only root, without
// capabilities; apps in containers of their own; and the compose file.
//
// No daemon and no registry is needed. buildah builds where it is installed and
// we are root; otherwise the Dockerfile is carried out here, each stage a folder.
// The images that the Dockerfile begins with are made of this machine's own Go,
// consul, envoy and glibc. The containers are boxes (package harness) in a network
// namespace of the test's own.
//
// With --plain it does without buildah; with --shipped it plays only what users copy: the task definitions
// and configurations of deploy/ and the pages, each as it stands, in the image that its page builds. It ends with 1 when something was not as it should be, or could not be tested.
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

// engine makes one stage of the Dockerfile.
type engine interface {
	stage(t harness.T, target string) *image
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "play" { // in the namespace
		os.Exit(harness.Perform(os.Stdout, func(t harness.T) { playAll(t, os.Args[2]) }))
	}
	os.Exit(harness.Perform(os.Stdout, build))
}

// report is what this program says.
type report struct {
	harness.T
	broken int
}

// judge prints one finding; err says what is wrong with it.
func (r *report) judge(what string, began time.Time, err error) {
	verdict := "ok"
	if err != nil {
		verdict = "NOT OK"
		r.broken++
	}
	fmt.Printf("  %-92s %6.1f s  %s\n", what, time.Since(began).Seconds(), verdict)
	if err != nil {
		fmt.Printf("    %s\n", strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
}

// untested prints what this machine cannot do, which is not a success.
func (r *report) untested(what, why string) {
	r.broken++
	fmt.Printf("  %-92s           NOT TESTED\n    %s\n", what, why)
}

func (r *report) end() {
	if r.broken > 0 {
		r.Fatalf("%d of the above", r.broken)
	}
}

// targets are the images that users get.
func targets() []string {
	return []string{"meshtask", "meshtask-mesh", "example", "example-sibling", "example-app-user"}
}

// build makes the images, compares builds, and starts the second half.
func build(t harness.T) {
	r := &report{T: t}
	if why := harness.Boxes(t); why != "" {
		t.Fatalf("no container can be made here (root, or user namespaces, are needed): %s", why)
	}
	context := snapshot(t)
	b := makeBases(t)
	make := func(req request) engine { return newPlain(t, req) }
	why := noBuildah(t)
	if slices.Contains(os.Args, "--plain") {
		why = "--plain was given"
	}
	if why == "" {
		fmt.Println("images built by buildah, run in namespaces of our own")
		buildah := newBuildah(t)
		make = func(req request) engine { return buildah.take(t, req) }
	} else {
		fmt.Printf("images built by carrying the Dockerfile out in folders, run in namespaces of our own: %s\n", why)
	}
	images := map[string]*image{}
	native := make(newRequest(context, b, runtime.GOARCH))
	for _, target := range targets() {
		began := time.Now()
		images[target] = native.stage(t, target)
		r.judge(target+": "+size(t, images[target].Tree), began, describes(target, images[target]))
	}
	program := images["meshtask"].Tree + "/meshtask"
	alone := slices.Contains(os.Args, "--shipped")
	if !alone {
		r.programs(make, context, b, program)
	}
	pages := pageImages(r, context, b, images)
	images["consul"] = &image{Tree: b.tree(reference("CONSUL_IMAGE")), Entrypoint: []string{"/bin/consul"}}

	definitions := shipped(t)
	text, err := json.Marshal(world{Images: images, Pages: pages, Definitions: definitions, Alone: alone})
	must(t, err)
	file := filepath.Join(t.TempDir(), "images.json")
	must(t, os.WriteFile(file, text, 0o600))
	harness.App(t) // the second half finds what is built in its environment
	self, err := os.Executable()
	must(t, err)
	play, why := harness.Network(t, []string{self, "play", file}, append(addresses(), named(definitions)...)...)
	if why != "" {
		t.Fatalf("no network namespace can be made here (root, or user namespaces, are needed): %s", why)
	}
	play.Stdout, play.Stderr = os.Stdout, os.Stderr
	if err := play.Run(); err != nil {
		r.broken++
	}
	r.end()
}

// snapshot copies the build context: nothing changes it while we build.
func snapshot(t harness.T) string {
	root := harness.Root(t)
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	must(t, err)
	skip := strings.Fields(string(ignored))
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	must(t, copyTree(root, dir, -1, func(rel string) bool { return slices.Contains(skip, rel) }))
	return dir
}

func size(t harness.T, tree string) string {
	files, bytes := 0, int64(0)
	must(t, filepath.WalkDir(tree, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files, bytes = files+1, bytes+info.Size()
		}
		return err
	}))
	return fmt.Sprintf("%d files, %.1f MB", files, float64(bytes)/1e6)
}

// describes checks how the image says that it is to be run.
func describes(target string, img *image) error {
	want := map[string]image{
		"meshtask":         {Entrypoint: []string{"/meshtask"}},
		"meshtask-mesh":    {Entrypoint: []string{"meshtask", "run"}, User: "12345:12345", Health: []string{"meshtask", "health"}, Volumes: []string{"/run/meshtask"}},
		"example":          {Entrypoint: []string{"meshtask", "run", "--"}, Cmd: []string{"/app/server", "--listen", "127.0.0.1:8080"}, User: "12345:12345", Health: []string{"meshtask", "health"}, Volumes: []string{"/run/meshtask"}},
		"example-app-user": {Entrypoint: []string{"meshtask", "run", "--"}, Cmd: []string{"/app/server", "--listen", "127.0.0.1:8080"}, User: "0:0", Health: []string{"meshtask", "health"}, Volumes: []string{"/run/meshtask"}},
		"example-sibling":  {Entrypoint: []string{"/meshtask", "app", "--"}, Cmd: []string{"/server", "--listen", "127.0.0.1:8080"}, User: "12345:12345"},
	}[target]
	got := image{Entrypoint: img.Entrypoint, Cmd: img.Cmd, User: img.User, Health: img.Health, Volumes: img.Volumes}
	if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
		return fmt.Errorf("it is to be run as %s, want %s", a, b)
	}
	if img.StopSignal != "SIGTERM" { // else a base image's own would be sent instead
		return fmt.Errorf("its STOPSIGNAL is %q, want SIGTERM", img.StopSignal)
	}
	for _, name := range []string{"LICENSE", "NOTICE", "THIRD_PARTY_LICENSES.txt"} {
		if info, err := os.Stat(filepath.Join(img.Tree, "usr/share/doc/meshtask", name)); err != nil || info.Size() == 0 {
			return fmt.Errorf("it does not carry %s: %w", name, err)
		}
	}
	return nil
}
