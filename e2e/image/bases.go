package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"meshtask/e2e/harness"
)

// bases are what stands in for the images that the Dockerfile begins with: made
// of this machine's files, so that no registry is asked.
type bases struct {
	trees map[string]string // by the reference that stands in
	binds []string          // what the Go image shows of the machine, as SRC:DST[:ro]
	env   []string          // of the Go image
	shell []string          // the references whose steps have the machine's shell and tools
}

// makeBases makes one tree each: a Debian with Go (the machine's own /usr), a
// consul at /bin, an envoy at /usr/local/bin with glibc and no shell, and glibc alone.
func makeBases(t harness.T) *bases {
	b := &bases{trees: map[string]string{}}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	for _, arg := range baseArgs() {
		tree := filepath.Join(dir, strings.ToLower(arg))
		must(t, os.MkdirAll(tree, 0o755))
		b.trees[reference(arg)] = tree
	}
	consul, envoy := harness.Consul(t), harness.Envoy(t)
	withConsul, withEnvoy, glibc := b.tree(reference("CONSUL_IMAGE")), b.tree(reference("ENVOY_IMAGE")), b.tree(reference("BASE_IMAGE"))
	install(t, consul, withConsul+"/bin/consul")
	install(t, envoy, withEnvoy+"/usr/local/bin/envoy")
	for _, lib := range append(libraries(t, consul), libraries(t, envoy)...) {
		for _, tree := range []string{withConsul, withEnvoy, glibc} {
			install(t, lib, tree+lib)
		}
	}
	const roots = "/etc/ssl/certs/ca-certificates.crt" // as Envoy's image has them
	if _, err := os.Stat(roots); err == nil {
		install(t, roots, withEnvoy+roots)
	}
	b.golang(t, b.tree(reference("GO_IMAGE")))
	return b
}

// baseArgs are the build arguments that name an image.
func baseArgs() []string { return []string{"GO_IMAGE", "CONSUL_IMAGE", "ENVOY_IMAGE", "BASE_IMAGE"} }

// tools show the machine's own programs to a step, over whatever the tree has there.
func (b *bases) tools(ref string) []string {
	switch {
	case ref == reference("GO_IMAGE"):
		return b.binds
	case !slices.Contains(b.shell, ref):
		return nil
	}
	var binds []string
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/usr"} {
		if _, err := os.Stat(dir); err == nil {
			binds = append(binds, dir+":"+dir+":ro")
		}
	}
	return binds
}

// tree is the folder that stands in for an image; "" when none does.
func (b *bases) tree(reference string) string { return b.trees[reference] }

// reference names what stands in for the image of a build argument.
func reference(arg string) string {
	return "localhost/meshtask-base-" + strings.ToLower(strings.TrimSuffix(arg, "_IMAGE")) + ":here"
}

// golang makes the tree of the Go image: links and empty folders, over which the
// machine's own are shown. Its caches are ours.
func (b *bases) golang(t harness.T, tree string) {
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/sbin", "/usr"} {
		if to, err := os.Readlink(dir); err == nil {
			must(t, os.Symlink(to, tree+dir))
		} else if _, err := os.Stat(dir); err == nil {
			must(t, os.MkdirAll(tree+dir, 0o755))
			b.binds = append(b.binds, dir+":"+dir+":ro")
		}
	}
	must(t, os.MkdirAll(tree+"/tmp", 0o755))
	must(t, os.Chmod(tree+"/tmp", 0o1777))
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, name := range []string{"GOROOT", "GOMODCACHE", "GOCACHE"} {
		value := goEnv(t, name)
		b.env = append(b.env, name+"="+value)
		must(t, os.MkdirAll(value, 0o755))
		if !strings.HasPrefix(value, "/usr/") {
			must(t, os.MkdirAll(tree+value, 0o755))
			b.binds = append(b.binds, value+":"+value)
		}
	}
	b.env = append(b.env, "PATH="+goEnv(t, "GOROOT")+"/bin:"+path, "HOME=/tmp", "GOTOOLCHAIN=local", "GOFLAGS=-buildvcs=false")
	for _, file := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd"} {
		if _, err := os.Stat(file); err == nil {
			install(t, file, tree+file)
		} else {
			must(t, os.MkdirAll(filepath.Dir(tree+file), 0o755))
			must(t, os.WriteFile(tree+file, nil, 0o644))
		}
	}
}

func goEnv(t harness.T, name string) string {
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// libraries are the files that a program loads before it runs; a static one has none.
func libraries(t harness.T, program string) []string {
	out, err := exec.CommandContext(t.Context(), "ldd", program).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "not a dynamic executable") {
		t.Fatalf("ldd %s: %v: %s", program, err, out)
	}
	var libs []string
	for _, m := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1) {
		libs = append(libs, m[1])
	}
	return libs
}

// install copies one file, through links, and makes the folders above it.
func install(t harness.T, from, to string) {
	must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	must(t, copyFile(from, to))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm()) // whatever the umask
}

// copyTree copies folders, files and links. Every copy belongs to owner, where
// we may give it away; -1: to us. skip names what is left out.
func copyTree(from, to string, owner int, skip func(rel string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if skip != nil && rel != "." && skip(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			if err = os.Mkdir(dst, info.Mode().Perm()); os.IsExist(err) {
				return nil // it keeps what it has, as with an engine
			} else if err == nil {
				err = os.Chmod(dst, info.Mode().Perm())
			}
		case info.Mode().IsRegular():
			err = copyFile(path, dst)
		case info.Mode()&fs.ModeSymlink != 0:
			var target string
			if target, err = os.Readlink(path); err == nil {
				err = os.Symlink(target, dst)
			}
		default:
			err = fmt.Errorf("%s is neither file, folder nor link", path)
		}
		if err == nil && owner >= 0 && os.Geteuid() == 0 {
			err = os.Lchown(dst, owner, owner)
		}
		return err
	})
}

func must(t harness.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatalf("%v", err)
	}
}
