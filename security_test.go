package meshtask_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every claim of docs/security.md names the tests that hold it, and they exist: a
// claim without one is only a wish. A name is a Go test, or a script (x.txtar), or a
// finding that a program of ours prints (`make test-image`).
func TestSecurityClaimsAreHeld(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, scripts := held(t)
	claims, inside := 0, false
	for n, line := range strings.Split(string(page), "\n") {
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if heading := strings.TrimSpace(cells[len(cells)-1]) == "held by"; heading || !inside || strings.HasPrefix(line, "|---") {
			inside = inside || heading
			continue
		}
		if claims++; len(cells) != 2 {
			t.Fatalf("docs/security.md:%d: %d columns, want a claim and what holds it", n+1, len(cells))
		}
		names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1)
		if len(names) == 0 {
			t.Errorf("docs/security.md:%d: no test is named", n+1)
		}
		for _, m := range names {
			switch name := m[1]; {
			case strings.HasSuffix(name, ".txtar"):
				if !slices.Contains(scripts, name) {
					t.Errorf("docs/security.md:%d: there is no script %s", n+1, name)
				}
			case name == "make test-image", name == "make test-page":
			default:
				if name, _, _ = strings.Cut(name, "/"); !tests[name] {
					t.Errorf("docs/security.md:%d: there is no test %s", n+1, name)
				}
			}
		}
	}
	if claims < 20 {
		t.Errorf("only %d claims were found: a table of claims has the columns «claim» and «held by»", claims)
	}
}

// held are the names of all Go tests of this repository, of every module, and of the
// command-line scripts.
func held(t *testing.T) (tests map[string]bool, scripts []string) {
	t.Helper()
	tests = map[string]bool{}
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (d.Name()[0] == '.' || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".txtar") {
			scripts = append(scripts, d.Name())
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests, scripts
}
