package tfdocs

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the READMEs anew")

const (
	begin = "<!-- generated: variables and outputs; go test -C tools/tfdocs . -update -->\n"
	end   = "<!-- end -->"
)

// Each module that people use has a README whose tables are what it declares.
func TestReadmes(t *testing.T) {
	for dir, m := range modules(t) {
		if strings.Contains(dir, "/tests/") {
			continue
		}
		path := filepath.Join(dir, "README.md")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		before, rest, found := strings.Cut(string(text), begin)
		_, after, ends := strings.Cut(rest, end)
		if !found || !ends {
			t.Errorf("%s has no %s … %s", path, strings.TrimSpace(begin), end)
			continue
		}
		want := before + begin + m.tables() + end + after
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if want != string(text) {
			t.Errorf("%s is not what the module declares: go test -C tools/tfdocs . -update", path)
		}
	}
}

func (m *module) tables() string {
	var b strings.Builder
	b.WriteString("| variable | type | default | |\n|---|---|---|---|\n")
	for _, v := range sorted(m.variables) {
		value := "**required**"
		if !v.required {
			value = code(v.value)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.name, code(v.kind), value, cell(v.description))
	}
	if len(m.outputs) > 0 {
		b.WriteString("\n| output | |\n|---|---|\n")
		for _, o := range sorted(m.outputs) {
			fmt.Fprintf(&b, "| `%s` | %s |\n", o.name, cell(o.description))
		}
	}
	return b.String()
}

// sorted is by name, what is required first.
func sorted(list []variable) []variable {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b variable) int {
		if a.required != b.required {
			return map[bool]int{true: -1, false: 1}[a.required]
		}
		return cmp.Compare(a.name, b.name)
	})
	return out
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
