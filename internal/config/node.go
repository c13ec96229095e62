package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// node is one JSON value, kept in order and with its kind, so that everything
// that is wrong with a document can be said at once.
type node struct {
	kind   kind
	text   string // of a string or a number
	yes    bool
	items  []*node
	keys   []string // of an object, in order
	fields map[string]*node
}

type kind string

const (
	null    kind = "null"
	boolean kind = "a boolean"
	number  kind = "a number"
	text    kind = "a string"
	array   kind = "an array"
	object  kind = "an object"
)

// maxDepth is far deeper than any field, and keeps the recursion bounded.
const maxDepth = 64

// parse reads a whole document. A syntax error is the only finding then;
// otherwise the findings are the duplicate keys.
func parse(doc []byte) (*node, []Finding) {
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil, []Finding{{Text: "the document is empty: want a JSON object"}}
	}
	var raw json.RawMessage
	if err := json.Unmarshal(doc, &raw); err != nil {
		return nil, []Finding{{Text: syntax(doc, err)}}
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(doc))}
	p.dec.UseNumber()
	n := p.value("", 0)
	return n, p.findings
}

// syntax says where an error is; the texts of encoding/json quote at most one
// character.
func syntax(doc []byte, err error) string {
	se, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return "not JSON: " + err.Error()
	}
	before := doc[:min(int(se.Offset), len(doc))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Sprintf("not JSON: line %d, column %d: %v", line, column, se)
}

type parser struct {
	dec      *json.Decoder
	findings []Finding
}

// value reads the next value. The document is known to be well formed.
func (p *parser) value(path string, depth int) *node {
	if depth == maxDepth {
		p.findings = append(p.findings, Finding{path, fmt.Sprintf("nested more than %d levels deep", maxDepth)})
		var skip json.RawMessage
		_ = p.dec.Decode(&skip)
		return &node{kind: null}
	}
	tok, err := p.dec.Token()
	if err != nil {
		return &node{kind: null}
	}
	switch t := tok.(type) {
	case bool:
		return &node{kind: boolean, yes: t}
	case json.Number:
		return &node{kind: number, text: t.String()}
	case string:
		return &node{kind: text, text: t}
	case json.Delim:
		n := &node{kind: array}
		if t == '{' {
			n = &node{kind: object, fields: map[string]*node{}}
		}
		p.members(n, path, depth+1)
		return n
	}
	return &node{kind: null}
}

// members reads up to the closing delimiter of n.
func (p *parser) members(n *node, path string, depth int) {
	for p.dec.More() {
		if n.kind == array {
			n.items = append(n.items, p.value(index(path, len(n.items)), depth))
			continue
		}
		tok, err := p.dec.Token()
		key, ok := tok.(string)
		if err != nil || !ok {
			return
		}
		at := join(path, key)
		v := p.value(at, depth)
		if _, twice := n.fields[key]; twice {
			p.findings = append(p.findings, Finding{at, "given twice"})
			continue
		}
		n.keys = append(n.keys, key)
		n.fields[key] = v
	}
	_, _ = p.dec.Token()
}

// plain is the value as encoding/json would have it in an any, numbers as
// float64, without members that are null.
func (n *node) plain() any {
	switch n.kind {
	case boolean:
		return n.yes
	case text:
		return n.text
	case number:
		f, _ := strconv.ParseFloat(n.text, 64)
		return f
	case array:
		list := make([]any, len(n.items))
		for i, v := range n.items {
			list[i] = v.plain()
		}
		return list
	case object:
		m := make(map[string]any, len(n.keys))
		for _, k := range n.keys {
			m[k] = n.fields[k].plain()
		}
		return m
	}
	return nil
}

// join is the JSON path of a member.
func join(path, key string) string {
	switch {
	case !made(key, "_-", len(key)) || key[0] == '-' || key[0] >= '0' && key[0] <= '9':
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// index is the JSON path of an item.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
