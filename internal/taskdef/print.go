package taskdef

import (
	"bytes"
	"encoding/json"
)

// compact is o without blanks: a document within a document.
func (o *object) compact() string {
	var b bytes.Buffer
	printer{out: &b}.value(o, "")
	return b.String()
}

// pretty is o as a file: what is short and flat stands on one line.
func (o *object) pretty() []byte {
	var b bytes.Buffer
	printer{out: &b, lines: true}.value(o, "")
	b.WriteByte('\n')
	return b.Bytes()
}

// printer writes JSON; short is the longest value that stands on one line.
type printer struct {
	out   *bytes.Buffer
	lines bool
}

const short = 100

func (p printer) value(v any, indent string) {
	switch v := v.(type) {
	case *object:
		p.list('{', '}', len(v.keys), v, indent, func(i int, deeper string) {
			p.value(v.keys[i], "")
			p.out.WriteByte(':')
			if p.lines {
				p.out.WriteByte(' ')
			}
			p.value(v.m[v.keys[i]], deeper)
		})
	case []any:
		p.list('[', ']', len(v), v, indent, func(i int, deeper string) { p.value(v[i], deeper) })
	default:
		e := json.NewEncoder(p.out)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // strings, numbers, booleans and null
		p.out.Truncate(p.out.Len() - 1)
	}
}

func (p printer) list(begin, end byte, n int, v any, indent string, item func(i int, indent string)) {
	between, deeper, last := ",", indent, ""
	if p.lines {
		between = ", "
		if n > 0 && !flat(v) {
			deeper += "  "
			between, last = ",\n"+deeper, "\n"+indent
		}
	}
	p.out.WriteByte(begin)
	if last != "" {
		p.out.WriteString("\n" + deeper)
	}
	for i := range n {
		if i > 0 {
			p.out.WriteString(between)
		}
		item(i, deeper)
	}
	p.out.WriteString(last)
	p.out.WriteByte(end)
}

// flat says whether v is short and holds nothing nested but lists of strings.
func flat(v any) bool {
	var b bytes.Buffer
	printer{out: &b}.value(v, "")
	if b.Len() > short {
		return false
	}
	items, _ := v.([]any)
	if o, ok := v.(*object); ok {
		if o.has("image") {
			return false // a container: its fields come and go
		}
		for _, k := range o.keys {
			items = append(items, o.m[k])
		}
	}
	for _, item := range items {
		switch item := item.(type) {
		case *object:
			return false
		case []any:
			for _, in := range item {
				if _, ok := in.(string); !ok {
					return false
				}
			}
		}
	}
	return true
}
