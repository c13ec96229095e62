// Command bench compares meshtask with the inits that are installed: it puts each to the
// conformance suite, measures them in turns, and writes docs/conformance.md. It installs
// nothing, and says what is missing and how to get it. It needs root, for pid namespaces.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// peer is another init, with where distributions have it.
type peer struct {
	name, program, version, get string
	argv                        []string // of the init before a command
}

func peers() []peer {
	return []peer{
		{name: "tini", program: "tini", version: "--version", get: "package tini of Debian, Ubuntu and Alpine", argv: []string{"--"}},
		{name: "dumb-init", program: "dumb-init", version: "--version", get: "package dumb-init of Debian, Ubuntu and Alpine", argv: []string{"--"}},
		{name: "catatonit", program: "catatonit", version: "--version", get: "package catatonit of Debian, Ubuntu and Alpine", argv: []string{"--"}},
		{name: "s6", program: "s6-svscan", get: "package s6 of Debian, Ubuntu and Alpine"},
	}
}

// bed is what the measurements share.
type bed struct {
	dir     string // of what was built
	inits   []peer // meshtask last; tini, against which is measured, first
	missing []peer
	quick   bool
}

func main() {
	out := flag.String("o", "docs/conformance.md", "the page to write")
	quick := flag.Bool("quick", false, "few rounds: to try the bench, not for figures")
	skip := flag.Bool("figures", false, "figures only, printed: no suite, no page")
	flag.Parse()
	if err := run(*out, *quick, *skip); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out string, quick, figuresOnly bool) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("run it as root: PID 1 of a namespace is what is measured")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bed{dir: dir, quick: quick}
	b.find()
	for _, p := range b.missing {
		fmt.Printf("%s is not installed and not compared; it is in %s\n", p.name, p.get)
	}
	if err := b.build(); err != nil {
		return err
	}
	page := &page{begun: time.Now(), load: load()}
	if !figuresOnly {
		for _, p := range b.inits {
			fmt.Println("suite:", p.name)
			if err := page.suite(b, p); err != nil {
				return err
			}
		}
	}
	page.figures = b.measure()
	fmt.Print(page.figureTable(b))
	if figuresOnly {
		return nil
	}
	return os.WriteFile(out, []byte(page.text(b)), 0o644)
}

// find looks for the inits on PATH.
func (b *bed) find() {
	for _, p := range peers() {
		path, err := exec.LookPath(p.program)
		if err != nil {
			b.missing = append(b.missing, p)
			continue
		}
		p.program = path
		if p.version != "" {
			text, _ := exec.Command(path, p.version).CombinedOutput()
			p.version = strings.TrimSpace(string(text))
		}
		b.inits = append(b.inits, p)
	}
	b.inits = append(b.inits, peer{name: "meshtask", program: filepath.Join(b.dir, "meshtask"), version: "this one", argv: []string{"run", "--no-mesh", "--"}})
}

// build makes the product as it is shipped, the payload and the suite.
func (b *bed) build() error {
	for _, pkg := range []string{"./cmd/meshtask", "./conformance/testdata/payload"} {
		if err := command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(b.dir, filepath.Base(pkg)), pkg); err != nil {
			return err
		}
	}
	if err := b.buildFloor(); err != nil {
		return err
	}
	return command("go", "test", "-c", "-o", filepath.Join(b.dir, "suite"), "./conformance")
}

func command(argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", argv, err, out)
	}
	return nil
}

// under is the command line of cmd under an init. s6 has none for one program, and is left
// out of the measurements.
func (p peer) under(cmd ...string) []string {
	return slices.Concat([]string{p.program}, p.argv, cmd)
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}
