package jsontree

import (
	"bytes"
	"encoding/json"
)

// Compact is v without blanks: a document within a document.
func Compact(v any) string {
	var b bytes.Buffer
	printer{out: &b}.value(v, "")
	return b.String()
}

// Pretty is v as a file: what is short and flat stands on one line. whole
// objects that have the member broken never do.
func Pretty(v any, broken string) []byte {
	var b bytes.Buffer
	printer{out: &b, lines: true, broken: broken}.value(v, "")
	b.WriteByte('\n')
	return b.Bytes()
}

// printer writes JSON.
type printer struct {
	out    *bytes.Buffer
	lines  bool
	broken string
}

// short is the longest value that stands on one line.
const short = 100

func (p printer) value(v any, indent string) {
	switch v := v.(type) {
	case *Object:
		p.list('{', '}', len(v.keys), v, indent, func(i int, deeper string) {
			p.scalar(v.keys[i])
			p.out.WriteByte(':')
			if p.lines {
				p.out.WriteByte(' ')
			}
			p.value(v.m[v.keys[i]], deeper)
		})
	case []any:
		p.list('[', ']', len(v), v, indent, func(i int, deeper string) { p.value(v[i], deeper) })
	default:
		p.scalar(v)
	}
}

// scalar writes a string, a number, a boolean or null.
func (p printer) scalar(v any) {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	p.out.Truncate(p.out.Len() - 1)
}

func (p printer) list(begin, end byte, n int, v any, indent string, item func(i int, indent string)) {
	between, deeper, last := ",", indent, ""
	if p.lines {
		between = ", "
		if n > 0 && !p.flat(v) {
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
func (p printer) flat(v any) bool {
	items, _ := v.([]any)
	if o, ok := v.(*Object); ok {
		if o.Has(p.broken) || len(o.keys) > short {
			return false
		}
		for _, k := range o.keys {
			items = append(items, o.m[k])
		}
	}
	if len(items) > short {
		return false
	}
	for _, item := range items {
		switch item := item.(type) {
		case *Object:
			return false
		case []any:
			if len(item) > short {
				return false
			}
			for _, in := range item {
				if _, ok := in.(string); !ok {
					return false
				}
			}
		case string:
			if len(item) > short {
				return false
			}
		}
	}
	return len(Compact(v)) <= short // of what is not nested
}
