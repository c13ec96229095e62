package taskdef

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// readHCL reads what Consul's agents are configured with: attributes, blocks
// with and without labels, strings, numbers, booleans, lists and objects, or
// JSON. Expressions and here-documents are refused by line.
func readHCL(text string) (*object, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		v, err := parse([]byte(text))
		if err != nil {
			return nil, err
		}
		return v.(*object), nil
	}
	p := &hcl{text: []rune(text), line: 1}
	o := newObject()
	if err := p.body(o, 0); err != nil {
		return nil, fmt.Errorf("line %d: %w", p.line, err)
	}
	return o, nil
}

type hcl struct {
	text []rune
	at   int
	line int
}

// skip passes blanks, commas where they may stand, and comments.
func (p *hcl) skip(also string) {
	for p.at < len(p.text) {
		r := p.text[p.at]
		switch {
		case r == '\n':
			p.line++
			p.at++
		case unicode.IsSpace(r) || strings.ContainsRune(also, r):
			p.at++
		case r == '#' || p.has("//"):
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		case p.has("/*"):
			for p.at < len(p.text) && !p.has("*/") {
				if p.text[p.at] == '\n' {
					p.line++
				}
				p.at++
			}
			p.at = min(p.at+2, len(p.text))
		default:
			return
		}
	}
}

func (p *hcl) has(s string) bool {
	return strings.HasPrefix(string(p.text[p.at:min(p.at+len(s), len(p.text))]), s)
}

func (p *hcl) peek() rune {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// body reads members up to end (0: the end of the text).
func (p *hcl) body(o *object, end rune) error {
	for {
		p.skip(",")
		r := p.peek()
		if r == end {
			p.at++
			return nil
		}
		if r == 0 {
			return fmt.Errorf("a } is missing")
		}
		key, err := p.key()
		if err != nil {
			return err
		}
		p.skip("")
		if r := p.peek(); r == '=' || r == ':' {
			p.at++
			v, err := p.value()
			if err != nil {
				return err
			}
			merge(o, newObject(key, v))
			continue
		}
		in := newObject()
		merge(o, newObject(key, in))
		in = o.obj(key)
		for p.skip(""); p.peek() != '{'; p.skip("") {
			label, err := p.key()
			if err != nil {
				return fmt.Errorf("%s: want = or {", key)
			}
			in = in.sub(label)
		}
		p.at++
		if err := p.body(in, '}'); err != nil {
			return err
		}
	}
}

func (p *hcl) key() (string, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	from := p.at
	for r := p.peek(); unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.", r); r = p.peek() {
		p.at++
	}
	if from == p.at {
		return "", fmt.Errorf("unexpected %q", string(p.peek()))
	}
	return string(p.text[from:p.at]), nil
}

func (p *hcl) quoted() (string, error) {
	from := p.at
	for p.at++; p.at < len(p.text) && p.text[p.at] != '"' && p.text[p.at] != '\n'; p.at++ {
		if p.text[p.at] == '\\' {
			p.at++
		}
	}
	if p.peek() != '"' {
		return "", fmt.Errorf("a string does not end")
	}
	p.at++
	s, err := strconv.Unquote(string(p.text[from:p.at]))
	if err != nil {
		return "", fmt.Errorf("a string has an unknown escape")
	}
	return s, nil
}

func (p *hcl) value() (any, error) {
	p.skip("")
	switch p.peek() {
	case '"':
		return p.quoted()
	case '{':
		p.at++
		o := newObject()
		return o, p.body(o, '}')
	case '[':
		p.at++
		list := []any{}
		for {
			p.skip(",")
			if p.peek() == ']' {
				p.at++
				return list, nil
			}
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	}
	word, err := p.key()
	if err != nil {
		return nil, err
	}
	switch {
	case word == "true" || word == "false":
		return word == "true", nil
	case json.Valid([]byte(word)):
		return json.Number(word), nil
	}
	return nil, fmt.Errorf("%q is neither a string, a number, a list nor an object", word)
}

// merge puts from into o, object by object; from wins.
func merge(o, from *object) {
	for _, k := range from.keys {
		theirs, ok := from.m[k].(*object)
		if !ok {
			o.set(k, from.m[k])
			continue
		}
		merge(o.sub(k), theirs)
	}
}

// take goes through the members that are not objects, by their path, and removes
// those that fn takes, and objects that are empty then.
func take(o *object, prefix string, fn func(path string, v any) bool) {
	for _, k := range slices.Clone(o.keys) {
		if inner, ok := o.m[k].(*object); ok {
			take(inner, prefix+k+".", fn)
			if len(inner.keys) == 0 {
				o.del(k)
			}
			continue
		}
		if fn(prefix+k, o.m[k]) {
			o.del(k)
		}
	}
}
