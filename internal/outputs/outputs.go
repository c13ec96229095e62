// Package outputs publishes the shapes of what meshtask writes for programs: JSON Schemas
// (draft 2020-12) of `status --json`, `why --json`, summary.json, a line of timeline.jsonl and
// a line of the log. They are written down once, in schemas.json.
//
// It knows no values: tests hold real ones against it.
package outputs

import (
	_ "embed"
	"fmt"
	"strings"

	"meshtask/internal/jsontree"
)

//go:embed schemas.json
var schemas []byte

// Names are what there are schemas of.
func Names() []string { return []string{"status", "why", "summary", "timeline", "log"} }

// Schema is the schema of that name, a document of its own with the definitions that it needs.
func Schema(name string) ([]byte, error) {
	tree, _, err := jsontree.Parse(schemas)
	if err != nil {
		return nil, err
	}
	root, _ := tree.(*jsontree.Object)
	all := root.Obj("$defs")
	doc := jsontree.New("$schema", "https://json-schema.org/draft/2020-12/schema")
	doc.Merge(all.Obj(name))
	used := jsontree.New()
	need(all, all.Obj(name), used)
	if len(used.Keys()) > 0 {
		doc.Set("$defs", used)
	}
	return jsontree.Pretty(doc, "$defs"), nil
}

// need puts every definition that n refers to into used.
func need(all *jsontree.Object, n any, used *jsontree.Object) {
	switch n := n.(type) {
	case *jsontree.Object:
		if name, ok := strings.CutPrefix(n.Str("$ref"), "#/$defs/"); ok && !used.Has(name) {
			used.Set(name, all.Get(name))
			need(all, all.Get(name), used)
		}
		for _, key := range n.Keys() {
			need(all, n.Get(key), used)
		}
	case []any:
		for _, v := range n {
			need(all, v, used)
		}
	}
}

// Unknown says that there is no schema of that name.
func Unknown(name string) error {
	return fmt.Errorf("there is no schema of %q, but of %s", name, strings.Join(Names(), ", "))
}
