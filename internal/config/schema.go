package config

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the document.
func Schema() []byte { return schema }

// Docs is a table of every field, in Markdown, made from the schema.
func Docs() string {
	root, _ := parse(schema)
	var b strings.Builder
	fmt.Fprintf(&b, "| field | type | default | meaning |\n|---|---|---|---|\n")
	d := docs{root: root, out: &b}
	d.members("", root)
	return b.String()
}

type docs struct {
	root *node
	out  *strings.Builder
}

// at is the member at a path of keys, or an empty node.
func (n *node) at(keys ...string) *node {
	for _, k := range keys {
		m, ok := n.fields[k]
		if !ok {
			return &node{kind: null}
		}
		n = m
	}
	return n
}

// shape is what a field's schema says of its structure: behind a reference,
// and in an alternative the object.
func (d docs) shape(n *node) *node {
	if ref := n.at("$ref").text; ref != "" {
		n = d.root.at("$defs", strings.TrimPrefix(ref, "#/$defs/"))
	}
	for _, o := range n.at("oneOf").items {
		if o.fields["properties"] != nil {
			return o
		}
	}
	return n
}

// members writes a row for each property of n, which is at path.
func (d docs) members(path string, n *node) {
	properties := n.at("properties")
	for _, key := range properties.keys {
		f := properties.fields[key]
		at := strings.TrimPrefix(path+"."+key, ".")
		fmt.Fprintf(d.out, "| `%s` | %s | %s | %s |\n", at, d.kind(f), fallback(f), strings.ReplaceAll(f.at("description").text, "|", `\|`))
		inner := d.shape(f)
		if items := inner.at("items"); items.kind == object {
			at, inner = at+"[]", d.shape(items)
		}
		if f.at("additionalProperties").kind != object {
			d.members(at, inner)
		}
	}
}

// kind is the type in words.
func (d docs) kind(f *node) string {
	if ref := f.at("$ref").text; ref != "" {
		switch name := strings.TrimPrefix(ref, "#/$defs/"); name {
		case "meshGateway", "check", "upstream":
			return "object"
		case "ready":
			return `object or "started"`
		default:
			return name
		}
	}
	if words := f.at("enum").items; len(words) > 0 {
		var list []string
		for _, w := range words {
			if w.kind == text {
				list = append(list, w.text)
			}
		}
		return strings.Join(list, ", ")
	}
	name := f.at("type").text
	if types := f.at("type").items; len(types) > 0 {
		name = types[0].text
	}
	if items := f.at("items"); items.kind == object {
		return name + " of " + d.kind(items) + "s"
	}
	if values := f.at("additionalProperties"); values.kind == object {
		return name + " of " + d.kind(values) + "s"
	}
	return name
}

// fallback is the default in words.
func fallback(f *node) string {
	switch v := f.at("default"); v.kind {
	case text, number:
		return "`" + v.text + "`"
	case boolean:
		return fmt.Sprintf("`%v`", v.yes)
	}
	return "–"
}
