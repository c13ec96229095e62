package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What Parse takes: deeper and longer than any field, and bounds of the work
// that a document can make.
const (
	MaxDepth = 64
	maxKey   = 1024
	reported = 100 // problems
)

// Problem is something that is wrong with a document that is JSON.
type Problem struct {
	Path string // such as "service.checks[0].name"; "" is the document
	Text string
}

// Parse reads one JSON document. The error is that it is not one, with line and
// column; it quotes at most one character of it. The problems are members that
// are given twice, of which the first holds, names that are too long, and what
// is nested too deep, both of which are left out. The work grows with the
// length of the document.
func Parse(doc []byte) (any, []Problem, error) {
	var raw json.RawMessage
	if err := json.Unmarshal(doc, &raw); err != nil {
		return nil, nil, syntax(doc, err)
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(doc))}
	p.dec.UseNumber()
	v := p.value()
	return v, p.problems, nil
}

func syntax(doc []byte, err error) error {
	se, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return fmt.Errorf("not JSON: %w", err)
	}
	before := doc[:min(int(se.Offset), len(doc))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Errorf("not JSON: line %d, column %d: %w", line, column, se)
}

// parser reads a document that is known to be well formed.
type parser struct {
	dec      *json.Decoder
	at       []func(path string) string // from the root to the value that is read
	problems []Problem
}

func (p *parser) report(format string, args ...any) {
	if len(p.problems) >= reported {
		return
	}
	path := ""
	for _, step := range p.at {
		path = step(path)
	}
	p.problems = append(p.problems, Problem{path, fmt.Sprintf(format, args...)})
}

func (p *parser) value() any {
	tok, err := p.dec.Token()
	if err != nil {
		return nil
	}
	d, ok := tok.(json.Delim)
	switch {
	case !ok:
		return tok
	case len(p.at) >= MaxDepth:
		p.report("nested more than %d levels deep", MaxDepth)
		p.skip()
		return nil
	case d == '{':
		return p.object()
	}
	list := []any{}
	p.at = append(p.at, func(path string) string { return Index(path, len(list)) })
	for p.dec.More() {
		list = append(list, p.value())
	}
	p.leave()
	return list
}

func (p *parser) object() *Object {
	o, key := New(), ""
	p.at = append(p.at, func(path string) string { return Join(path, key) })
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			break
		}
		key, _ = tok.(string)
		switch v := p.member(&key); {
		case len(key) > maxKey:
		case o.Has(key):
			p.report("given twice")
		default:
			o.Set(key, v)
		}
	}
	p.leave()
	return o
}

// member reads the value of a key, which is cut in reports when it is too long.
func (p *parser) member(key *string) any {
	if n := len(*key); n > maxKey {
		long := *key
		*key = long[:40] + "…"
		p.report("the name has %d bytes, at most %d are taken", n, maxKey)
		before := p.problems
		p.value()
		p.problems = before // of what is left out
		*key = long
		return nil
	}
	return p.value()
}

// leave reads a closing delimiter.
func (p *parser) leave() {
	_, _ = p.dec.Token()
	p.at = p.at[:len(p.at)-1]
}

// skip reads up to the delimiter that closes the one just read.
func (p *parser) skip() {
	for depth := 1; depth > 0; {
		tok, err := p.dec.Token()
		if err != nil {
			return
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}
