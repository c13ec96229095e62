package taskdef

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/tools/txtar"

	"meshtask/internal/jsontree"
)

// Every object of every golden definition gets a field that ECS may have
// tomorrow. Each must be in the new definition, or a finding must name it.
func TestFieldsOfTomorrow(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := parse(section(a, "in"))
		if err != nil {
			t.Fatal(err)
		}
		var where []string
		tomorrow(doc, "", &where)
		total += len(where)
		r := convert(t, jsontree.Pretty(doc, "image"), options(t, section(a, "options")))
		there := map[string]bool{}
		for _, name := range regexp.MustCompile(`tomorrow[0-9]+`).FindAllString(string(r.New)+fmt.Sprint(r.Findings), -1) {
			there[name] = true
		}
		for i, path := range where {
			if !there[fmt.Sprintf("tomorrow%d", i)] {
				t.Errorf("%s: a field of %s went in silence", filepath.Base(file), path)
			}
		}
	}
	if total < 300 {
		t.Errorf("only %d objects were tried", total)
	}
}

// tomorrow puts a field of its own into every object, and lists their paths. What
// ECS finds anew at each registration is left out.
func tomorrow(v any, path string, where *[]string) {
	switch v := v.(type) {
	case *jsontree.Object:
		for _, k := range v.Keys() {
			if k != "requiresAttributes" {
				tomorrow(v.Get(k), path+"."+k, where)
			}
		}
		v.Set(fmt.Sprintf("tomorrow%d", len(*where)), "x")
		*where = append(*where, path)
	case []any:
		for i, item := range v {
			name := fmt.Sprint(i)
			if o, ok := item.(*jsontree.Object); ok && o.Str("name") != "" {
				name = o.Str("name")
			}
			tomorrow(item, path+"["+name+"]", where)
		}
	}
}
