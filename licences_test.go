package meshtask_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// NOTICE names every module that is linked into the program, and no other, and the
// licences' file has a text for each: what we ship carries both. make lint compares
// the texts too.
func TestNoticeIsNotStale(t *testing.T) {
	linked := map[string]bool{}
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/meshtask")
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" {
				linked[line] = true
			}
		}
	}
	if len(linked) < 10 {
		t.Fatalf("only %v are linked: the list is broken", linked)
	}
	notice, err := os.ReadFile("NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	texts, err := os.ReadFile("THIRD_PARTY_LICENSES.txt")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^  (\S+ v\S+) +\S`).FindAllStringSubmatch(string(notice), -1) {
		named = append(named, m[1])
		if path, _, _ := strings.Cut(m[1], " "); !strings.Contains(string(texts), "\n"+path+": ") {
			t.Errorf("THIRD_PARTY_LICENSES.txt has no text for %s: run make licences", path)
		}
		if !linked[m[1]] {
			t.Errorf("NOTICE names %s, which is not linked: run make licences", m[1])
		}
	}
	for module := range linked {
		if !slices.Contains(named, module) {
			t.Errorf("NOTICE does not name %s, which is linked: run make licences", module)
		}
	}
	if !strings.Contains(string(texts), "\nGo standard library and runtime: LICENSE\n") {
		t.Error("Go's own licence is not there: run make licences")
	}
}
