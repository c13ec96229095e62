// Command licences writes NOTICE and THIRD_PARTY_LICENSES.txt: what is linked into
// the program for the two architectures that are released, under which licences,
// and the licences' texts. It finds and classifies them by google/go-licenses and
// asks no network; a module without a known licence, or with one that nobody has
// agreed to ship, is an error.
//
//	licences [-check]    in the root of the repository; -check writes nothing, and
//	                     exits with 1 when a file is stale
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-licenses/v2/licenses"
	"k8s.io/klog/v2"
)

const program = "./cmd/meshtask"

// agreed are the licences that what we ship may be under, all of them satisfied by
// passing on the text and, for MPL-2.0, by saying where the source is.
var agreed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// module is one Go module that is linked in, or Go itself.
type module struct {
	path, version, dir string
	licences           []string
	texts              []string // files, absolute
	notices            []string // files whose text NOTICE must carry (Apache-2.0, 4d)
}

func (m *module) String() string { return strings.TrimSpace(m.path + " " + m.version) }

func main() {
	check := flag.Bool("check", false, "only compare")
	flag.Parse()
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard) // it warns of assembly, which imports nothing; what matters is an error
	if err := write(*check); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func write(check bool) error {
	modules, err := linked("amd64", "arm64")
	if err != nil {
		return err
	}
	notice, err := notice(modules)
	if err != nil {
		return err
	}
	texts, err := texts(modules)
	if err != nil {
		return err
	}
	for name, want := range map[string][]byte{"NOTICE": notice, "THIRD_PARTY_LICENSES.txt": texts} {
		if !check {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				return err
			}
		} else if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			return errors.Join(err, fmt.Errorf("%s is not what is linked now: run make licences", name))
		}
	}
	return nil
}

// linked are the modules in the program, of all architectures together, by path.
func linked(arches ...string) ([]*module, error) {
	classifier, err := licenses.NewClassifier()
	if err != nil {
		return nil, err
	}
	all := map[string]*module{}
	for _, arch := range arches {
		for name, value := range map[string]string{"GOOS": "linux", "GOARCH": arch, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"} {
			if err := os.Setenv(name, value); err != nil {
				return nil, err
			}
		}
		if err := list(all); err != nil {
			return nil, err
		}
		libraries, err := licenses.Libraries(context.Background(), classifier, false, []string{"meshtask"}, program)
		if err != nil {
			return nil, err
		}
		for _, lib := range libraries {
			if err := assign(all, lib); err != nil {
				return nil, err
			}
		}
	}
	std, err := golang(classifier)
	if err != nil {
		return nil, err
	}
	out := []*module{std}
	for _, m := range all {
		if len(m.licences) == 0 {
			return nil, fmt.Errorf("%s: no licence was found in %s", m, m.dir)
		}
		out = append(out, m)
	}
	for _, m := range out {
		slices.Sort(m.licences)
		for _, name := range m.licences {
			if !slices.Contains(agreed, name) {
				return nil, fmt.Errorf("%s is under %s: take it out, or agree to ship that licence (tools/licences/main.go)", m, name)
			}
		}
	}
	slices.SortFunc(out, func(a, b *module) int { return cmp.Compare(a.path, b.path) })
	return out, nil
}

// list adds the modules of the packages that the program is made of.
func list(all map[string]*module) error {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", program).Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	notice := regexp.MustCompile(`(?i)^notice`)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 || all[f[0]] != nil {
			continue
		}
		m := &module{path: f[0], version: f[1], dir: f[2]}
		entries, err := os.ReadDir(m.dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if notice.MatchString(e.Name()) {
				m.notices = append(m.notices, filepath.Join(m.dir, e.Name()))
			}
		}
		all[m.path] = m
	}
	return nil
}

// assign gives what was found for some packages to the module that they are in.
func assign(all map[string]*module, lib *licenses.Library) error {
	if lib.LicenseFile == "" {
		return fmt.Errorf("%s: no licence was found", lib.Name())
	}
	var owner *module
	for _, m := range all {
		if strings.HasPrefix(lib.LicenseFile, m.dir+string(filepath.Separator)) && (owner == nil || len(m.dir) > len(owner.dir)) {
			owner = m
		}
	}
	if owner == nil {
		return fmt.Errorf("%s: %s is in no module that is linked", lib.Name(), lib.LicenseFile)
	}
	owner.add(lib.LicenseFile, lib.Licenses)
	return nil
}

func (m *module) add(file string, found []licenses.License) {
	if !slices.Contains(m.texts, file) {
		m.texts = append(m.texts, file)
		slices.Sort(m.texts)
	}
	for _, l := range found {
		if !slices.Contains(m.licences, l.Name) {
			m.licences = append(m.licences, l.Name)
		}
	}
}

// golang is the standard library and the runtime, which go-licenses leaves out.
// Its version is not named: it is the builder's.
func golang(classifier licenses.Classifier) (*module, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	m := &module{path: "Go standard library and runtime", dir: strings.TrimSpace(string(root))}
	file := filepath.Join(m.dir, "LICENSE")
	found, err := classifier.Identify(file)
	m.add(file, found)
	return m, err
}

func notice(modules []*module) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`meshtask
Copyright 2026 The meshtask Authors

Licensed under the Apache License, Version 2.0: see LICENSE.

What is linked into the program for linux/amd64 and linux/arm64, and its licences. The
texts are in THIRD_PARTY_LICENSES.txt. The source code of each module, those under
MPL-2.0 included, is had unchanged by: go mod download MODULE@VERSION
Made by make licences; do not edit.

`)
	width := 0
	for _, m := range modules {
		width = max(width, len(m.String()))
	}
	for _, m := range modules {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, m, strings.Join(m.licences, ", "))
	}
	for _, m := range modules {
		for _, file := range m.notices {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "\nNotice of %s:\n\n%s\n", m.path, bytes.TrimSpace(plain(text)))
		}
	}
	return b.Bytes(), nil
}

// texts has each text once, under the names of those that it is for.
func texts(modules []*module) ([]byte, error) {
	owners := map[string][]string{}
	var order []string
	for _, m := range modules {
		for _, file := range m.texts {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			key := string(bytes.TrimRight(plain(text), "\n"))
			if owners[key] == nil {
				order = append(order, key)
			}
			rel, err := filepath.Rel(m.dir, file)
			if err != nil {
				return nil, err
			}
			owners[key] = append(owners[key], fmt.Sprintf("%s: %s", m.path, rel))
		}
	}
	var b bytes.Buffer
	b.WriteString("The licences of what is linked into meshtask; NOTICE has the list. Made by make licences; do not edit.\n")
	for _, text := range order {
		rule := strings.Repeat("=", 80)
		fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s\n", rule, strings.Join(owners[text], "\n"), rule, text)
	}
	return b.Bytes(), nil
}

// plain has no carriage returns and no blanks at the ends of lines.
func plain(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i, l := range lines {
		lines[i] = bytes.TrimRight(l, " \t\r")
	}
	return bytes.Join(lines, []byte("\n"))
}
