package main

import (
	"strings"
	"testing"
)

// What is played is what the tree has: no list says it. A definition that a file and a page show is
// one, with the page whose image it runs; what was before meshtask is not ours.
func TestShippedIsFound(t *testing.T) {
	where, pages := map[string]bool{}, map[string]string{}
	for _, d := range shipped(t) {
		if where[d.Where] && !strings.HasSuffix(d.Where, ".md") {
			t.Errorf("%s is there twice", d.Where)
		}
		where[d.Where], pages[d.Where] = true, d.Page
		if d.Config == "" && !d.ours() || strings.Contains(d.Config+d.Family, "PREFIX") {
			t.Errorf("%s: %+v", d.Where, d)
		}
	}
	for file, page := range map[string]string{"deploy/single.json": usualPage, "deploy/job.json": "docs/use-job.md", "deploy/siblings.json": "docs/use-siblings.md",
		"deploy/acl-controller.json": "", "deploy/config/single.json": "", "README.md": "README.md"} {
		if !where[file] || pages[file] != page {
			t.Errorf("%s is played: %v, by %q, want %q", file, where[file], pages[file], page)
		}
	}
	if where["deploy/plain.json"] || where["docs/from-consul-ecs.md"] {
		t.Errorf("what was before meshtask is played: %v", where)
	}
	if got := named(shipped(t)); len(got) == 0 {
		t.Error("the README's server has no address")
	}
}
