package config

import (
	_ "embed"
	"fmt"
	"strings"

	"meshtask/internal/jsontree"
	"meshtask/internal/wrap"
)

type docs struct {
	root *jsontree.Object
	rows []row
}

// row is what is to be said of one field.
type row struct{ path, kind, fallback, meaning string }

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the document.
func Schema() []byte { return schema }

// Docs is a table of every field, in Markdown, made from the schema.
func Docs() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| field | type | default | meaning |\n|---|---|---|---|\n")
	for _, r := range rows() {
		fallback := "–"
		if r.fallback != "" {
			fallback = "`" + r.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.path, r.kind, fallback, strings.ReplaceAll(r.meaning, "|", `\|`))
	}
	return b.String()
}

// Fields is the same for a terminal that is so many characters wide.
func Fields(width int) string {
	const indent = "    "
	var b strings.Builder
	stanza := ""
	for _, r := range rows() {
		first, _, _ := strings.Cut(r.path, ".")
		if first != stanza && stanza != "" {
			b.WriteByte('\n')
		}
		stanza = first
		line := r.path + "  (" + r.kind
		if r.fallback != "" {
			line += ", default " + r.fallback
		}
		b.WriteString(line + ")\n")
		if r.meaning != "" {
			b.WriteString(strings.Join(wrap.Lines(indent, indent, r.meaning, width), "\n") + "\n")
		}
	}
	return b.String()
}

func rows() []row {
	tree, _, _ := jsontree.Parse(schema)
	root, _ := tree.(*jsontree.Object)
	d := docs{root: root}
	d.members("", root)
	return d.rows
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

// members adds a row for each property of n, which is at path.
func (d *docs) members(path string, n *jsontree.Object) {
	properties := n.Obj("properties")
	for _, key := range properties.Keys() {
		f := properties.Obj(key)
		at := strings.TrimPrefix(path+"."+key, ".")
		d.rows = append(d.rows, row{at, d.kind(f), fallback(f), f.Str("description")})
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
		case "meshGateway", "gatewayAddress", "check", "upstream":
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
		return name + " of " + plural(d.kind(items))
	}
	if values, ok := f.Get("additionalProperties").(*jsontree.Object); ok {
		return name + " of " + plural(d.kind(values))
	}
	return name
}

// plural is several of a kind.
func plural(kind string) string {
	if strings.HasSuffix(kind, "s") {
		return kind
	}
	return kind + "s"
}

// fallback is the default in words; "": there is none.
func fallback(f *jsontree.Object) string {
	if v := f.Get("default"); v != nil {
		return fmt.Sprint(v)
	}
	return ""
}
