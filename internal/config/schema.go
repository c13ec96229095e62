package config

import (
	_ "embed"
	"fmt"
	"strings"

	"meshtask/internal/jsontree"
)

type docs struct {
	root *jsontree.Object
	out  *strings.Builder
}

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the document.
func Schema() []byte { return schema }

// Docs is a table of every field, in Markdown, made from the schema.
func Docs() string {
	tree, _, _ := jsontree.Parse(schema)
	root, _ := tree.(*jsontree.Object)
	var b strings.Builder
	fmt.Fprintf(&b, "| field | type | default | meaning |\n|---|---|---|---|\n")
	d := docs{root: root, out: &b}
	d.members("", root)
	return b.String()
}

// shape is what a field's schema says of its structure: behind a reference,
// and in an alternative the object.
func (d docs) shape(n *jsontree.Object) *jsontree.Object {
	if ref := n.Str("$ref"); ref != "" {
		n = d.root.Obj("$defs").Obj(strings.TrimPrefix(ref, "#/$defs/"))
	}
	for _, o := range n.Objects("oneOf") {
		if o.Has("properties") {
			return o
		}
	}
	return n
}

// members writes a row for each property of n, which is at path.
func (d docs) members(path string, n *jsontree.Object) {
	properties := n.Obj("properties")
	for _, key := range properties.Keys() {
		f := properties.Obj(key)
		at := strings.TrimPrefix(path+"."+key, ".")
		fmt.Fprintf(d.out, "| `%s` | %s | %s | %s |\n", at, d.kind(f), fallback(f), strings.ReplaceAll(f.Str("description"), "|", `\|`))
		inner := d.shape(f)
		if items, ok := inner.Get("items").(*jsontree.Object); ok {
			at, inner = at+"[]", d.shape(items)
		}
		if _, values := f.Get("additionalProperties").(*jsontree.Object); !values {
			d.members(at, inner)
		}
	}
}

// kind is the type in words.
func (d docs) kind(f *jsontree.Object) string {
	if ref := f.Str("$ref"); ref != "" {
		switch name := strings.TrimPrefix(ref, "#/$defs/"); name {
		case "meshGateway", "check", "upstream":
			return "object"
		case "ready":
			return `object or "started"`
		case "statsTags":
			return "auto, true, false or a list of names"
		default:
			return name
		}
	}
	if words := f.Strings("enum"); len(words) > 0 {
		return strings.Join(words, ", ")
	}
	name := f.Str("type")
	if types := f.Strings("type"); len(types) > 0 {
		name = types[0]
	}
	if items, ok := f.Get("items").(*jsontree.Object); ok {
		return name + " of " + d.kind(items) + "s"
	}
	if values, ok := f.Get("additionalProperties").(*jsontree.Object); ok {
		return name + " of " + d.kind(values) + "s"
	}
	return name
}

// fallback is the default in words.
func fallback(f *jsontree.Object) string {
	if v := f.Get("default"); v != nil {
		return fmt.Sprintf("`%v`", v)
	}
	return "–"
}
