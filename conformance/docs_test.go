package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page that says what holds each promise names cases and tests that are there, and
// leaves no case out.
func TestThePromisesAreHeld(t *testing.T) {
	text, err := os.ReadFile("../docs/init.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), "|---|---|")
	var have []string
	for _, k := range cases() {
		have = append(have, k.name)
		if k.name != "exit codes" && !strings.Contains(page, `"`+k.name+`"`) { // the short form of all 256
			t.Errorf("case %q holds no promise", k.name)
		}
	}
	tests := declared(t)
	for line := range strings.Lines(page) {
		_, held, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok {
			continue
		}
		found := regexp.MustCompile("\"([^\"]+)\"|`(Test\\w+)`").FindAllStringSubmatch(held, -1)
		if len(found) == 0 {
			t.Errorf("nothing holds %s", line)
		}
		for _, m := range found {
			if m[1] != "" && !slices.Contains(have, m[1]) || m[2] != "" && !slices.Contains(tests, m[2]) {
				t.Errorf("%s is not there", m[0])
			}
		}
	}
}

// declared are the tests of the whole tree, both modules.
func declared(t *testing.T) (tests []string) {
	t.Helper()
	test := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		code, err := os.ReadFile(path)
		for _, m := range test.FindAllStringSubmatch(string(code), -1) {
			tests = append(tests, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
