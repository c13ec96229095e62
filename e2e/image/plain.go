package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

// buildLimit bounds one RUN: a cold compilation on a busy machine.
const buildLimit = 20 * time.Minute

// plain builds images as the Dockerfile says, without an engine: every stage is
// a folder, every RUN a box that has it as /.
type plain struct {
	file    *dockerfile
	bases   *bases
	context string
	dir     string
	args    map[string]string
	made    map[string]*image // by stage
}

func newPlain(t harness.T, r request) *plain {
	text, err := os.ReadFile(filepath.Join(r.context, "Dockerfile"))
	must(t, err)
	file, err := parse(string(text), r.args)
	if err != nil {
		t.Fatalf("Dockerfile: %v", err)
	}
	p := &plain{file: file, bases: r.bases, context: r.context, dir: t.TempDir(), args: r.args, made: map[string]*image{}}
	must(t, os.Chmod(p.dir, 0o755))
	return p
}

// stage makes a stage and those that it is made from, each once.
func (p *plain) stage(t harness.T, name string) *image {
	if img := p.made[name]; img != nil {
		return img
	}
	st, ok := p.file.stage(name)
	if !ok {
		t.Fatalf("the Dockerfile has no stage %q", name)
	}
	img := &image{Tree: filepath.Join(p.dir, name)}
	must(t, os.Mkdir(img.Tree, 0o755))
	p.from(t, st, img)
	vars := map[string]string{}
	for _, s := range st.steps {
		switch {
		case img.configure(s, vars):
		case s.op == "ARG":
			vars = with(vars, s, p.args)
		case s.op == "RUN":
			p.run(t, st, s, img, vars)
		case s.op == "COPY":
			p.copy(t, s, img)
		}
		if s.op == "WORKDIR" {
			must(t, os.MkdirAll(filepath.Join(img.Tree, img.Dir), 0o755))
		}
	}
	p.made[name] = img
	return img
}

// from lays what a stage begins with: nothing, another stage, or a base.
func (p *plain) from(t harness.T, st stage, img *image) {
	tree := p.bases.tree(st.from)
	if _, ours := p.file.stage(st.from); ours && tree == "" {
		parent := *p.stage(t, st.from)
		tree, parent.Tree = parent.Tree, img.Tree
		*img = parent
	} else if tree == "" && st.from != "scratch" {
		t.Fatalf("stage %s: nothing stands in for %s", st.name, st.from)
	}
	if tree == p.bases.tree(p.args["GO_IMAGE"]) {
		img.Env = p.bases.env
	}
	if tree != "" {
		must(t, copyTree(tree, img.Tree, -1, nil))
	}
}

func (p *plain) run(t harness.T, st stage, s step, img *image, vars map[string]string) {
	env := slices.Clone(img.Env)
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	argv := []string{"/bin/sh", "-c", s.text}
	if s.exec {
		argv = s.args
	}
	run := harness.StartBox(t, "run-"+st.name, harness.Box{Root: img.Tree, Writable: true, Binds: p.bases.tools(st.from), Dir: img.Dir}, argv, env)
	if code := run.Wait(t, buildLimit); code != 0 {
		t.Fatalf("RUN %s: exit code %d\n%s", s.text, code, run.Tail(40))
	}
}

// copy is COPY: a folder gives what is in it, a file itself.
func (p *plain) copy(t harness.T, s step, img *image) {
	source, owner := p.context, 0
	if from := s.flags["from"]; from != "" {
		if _, ours := p.file.stage(from); ours {
			source = p.stage(t, from).Tree
		} else if source = p.bases.tree(from); source == "" {
			t.Fatalf("COPY --from=%s: nothing stands in for it", from)
		}
	}
	if chown := s.flags["chown"]; chown != "" {
		user, _, _ := strings.Cut(chown, ":")
		var err error
		owner, err = strconv.Atoi(user)
		must(t, err)
	}
	last := s.args[len(s.args)-1]
	dst := last
	if !filepath.IsAbs(dst) {
		dst = filepath.Join("/", img.Dir, dst)
	}
	for _, src := range s.args[:len(s.args)-1] {
		from, to := filepath.Join(source, src), filepath.Join(img.Tree, dst)
		info, err := os.Stat(from)
		if err != nil {
			t.Fatalf("COPY %s: %v", s.text, err)
		}
		if !info.IsDir() && (strings.HasSuffix(last, "/") || last == ".") {
			to = filepath.Join(to, filepath.Base(src))
		}
		must(t, os.MkdirAll(filepath.Dir(to), 0o755))
		if err := copyTree(from, to, owner, nil); err != nil {
			t.Fatalf("COPY %s: %v", s.text, err)
		}
	}
}
