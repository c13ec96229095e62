package meshtask_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"meshtask/internal/config"
	"meshtask/internal/event"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The README's task definition is JSON, short, and its configuration is good.
func TestReadmeTaskDefinition(t *testing.T) {
	_, block, _ := strings.Cut(readme(t), "```json\n")
	block, _, found := strings.Cut(block, "```")
	if n := strings.Count(block, "\n"); !found || n > 10 {
		t.Errorf("%d lines, want ten at most", n)
	}
	var task struct {
		ContainerDefinitions []struct {
			EntryPoint, Command []string
			Environment         []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal([]byte(block), &task); err != nil {
		t.Fatal(err)
	}
	for _, c := range task.ContainerDefinitions {
		if !slices.Equal(c.EntryPoint, []string{"/meshtask", "run", "--"}) {
			t.Errorf("entrypoint %q", c.EntryPoint)
		}
		cfg, warnings, err := config.Load(config.Sources{Mode: config.Run, Command: c.Command, Env: func(name string) (string, bool) {
			for _, e := range c.Environment {
				if e.Name == name {
					return e.Value, true
				}
			}
			return "", false
		}})
		if err != nil || len(warnings) > 0 || cfg.Service.Port != 8080 {
			t.Errorf("%v, %v", err, warnings)
		}
	}
}

// Every exit code of our own is in the reference, and no other.
func TestExitCodesAreDocumented(t *testing.T) {
	ours := []string{"2"}
	for _, code := range event.Codes() {
		if exit := code.Exit(); exit >= 200 {
			ours = append(ours, strconv.Itoa(exit))
		}
	}
	slices.Sort(ours)
	ours = slices.Compact(ours)
	var told []string
	reference, err := os.ReadFile("docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(string(reference), -1) {
		told = append(told, m[1])
	}
	told = slices.DeleteFunc(told, func(c string) bool { return c == "0" || c == "208" }) // 208 is kept for hooks
	if !slices.Equal(ours, slices.Sorted(slices.Values(told))) {
		t.Errorf("docs/reference.md has %v, the program %v", told, ours)
	}
	if len(ours) < 10 {
		t.Errorf("only %v were found", ours)
	}
}

// A relative link leads somewhere, and the README to every page.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "deploy/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	link := regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]+))?\)`)
	linked := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := filepath.Join(filepath.Dir(page), m[1])
			if m[1] == "" { // a section of its own
				to = page
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
			if m[2] != "" && filepath.Ext(to) == ".md" && !slices.Contains(sections(t, to), m[2]) {
				t.Errorf("%s links to %s#%s, and that page has no such section", page, m[1], m[2])
			}
			linked[to] = linked[to] || page == "README.md"
		}
	}
	for _, page := range pages {
		if filepath.Dir(page) == "docs" && !linked[page] {
			t.Errorf("the README does not link to %s", page)
		}
	}
}

// sections are the anchors of a page's headings, as GitHub makes them.
func sections(t *testing.T, page string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Error(err)
	}
	text = regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAll(text, nil)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(string(m[1])), "")
		out = append(out, strings.ReplaceAll(anchor, " ", "-"))
	}
	return out
}
