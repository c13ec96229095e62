package conformance

import (
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
	var tests []string
	for _, pattern := range []string{"../*_test.go", "../supervisor/*_test.go", "../cmd/meshtask/*_test.go", "../e2e/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			code, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(code), -1) {
				tests = append(tests, m[1])
			}
		}
	}
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
