package meshtask_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// section is the part of docs/architecture.md below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "\n## "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	if !found {
		t.Fatalf("docs/architecture.md has no section %q", heading)
	}
	return text
}

// Every package of the product has a row, and every row is a package.
func TestArchitectureIsComplete(t *testing.T) {
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\|").FindAllStringSubmatch(section(t, "Packages"), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			rows = append(rows, name[1])
		}
	}
	var packages []string
	for _, src := range parse(t, ".", product) {
		beside := slices.ContainsFunc([]string{"conformance", "deploy", "internal/testbed"}, func(dir string) bool {
			return src.dir == dir || strings.HasPrefix(src.dir, dir+"/")
		})
		if !beside && !slices.Contains(packages, src.dir) {
			packages = append(packages, src.dir)
		}
	}
	for _, dir := range packages {
		if !slices.Contains(rows, dir) {
			t.Errorf("docs/architecture.md has no row for %s", dir)
		}
	}
	for _, row := range rows {
		if !slices.Contains(packages, row) {
			t.Errorf("docs/architecture.md has a row for %s, which is no package", row)
		}
	}
}

// The walk of one value names functions that are there, in the files that it names.
func TestArchitectureWalksWhatIsThere(t *testing.T) {
	declared := map[string]bool{} // "file function"
	for _, src := range parse(t, ".", product) {
		for _, decl := range src.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				declared[filepath.ToSlash(src.path)+" "+f.Name.Name] = true
			}
		}
	}
	steps := 0
	file := ""
	for _, m := range regexp.MustCompile("`([\\w/]+\\.go)`|`(\\w+)`").FindAllStringSubmatch(walked(t), -1) {
		if m[1] != "" {
			file = m[1]
			continue
		}
		if steps++; !declared[file+" "+m[2]] {
			t.Errorf("docs/architecture.md: %s has no function %s", file, m[2])
		}
	}
	if steps < 20 {
		t.Errorf("only %d functions were found", steps)
	}
}

// walked are the first cells of the walk's table.
func walked(t *testing.T) string {
	var out strings.Builder
	for line := range strings.Lines(section(t, "One value, all the way")) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			out.WriteString(cells[1])
		}
	}
	return out.String()
}

// Every decision is listed.
func TestDecisionsAreListed(t *testing.T) {
	records, err := filepath.Glob("docs/adr/*.md")
	if err != nil || len(records) < 10 {
		t.Fatalf("%d records (%v)", len(records), err)
	}
	list := section(t, "Decisions")
	for _, path := range records {
		if !strings.Contains(list, "(adr/"+filepath.Base(path)+")") {
			t.Errorf("docs/architecture.md does not list %s", path)
		}
	}
}
