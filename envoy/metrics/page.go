package metrics

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
)

// Page is a valid exposition in Prometheus' text format, to be written once or more.
type Page struct {
	families []family
	found    []found
	lines    []value
	texts    []byte // of the values and the limits
	blocks   []*block
}

// family is what Envoy prints under one "# TYPE": its type, and its series from the first on,
// up to the next family's.
type family struct {
	kind  string
	first int
}

// found is a series: what it is called, or else its entry and the how manieth of that it is; and
// its lines from the first on, up to the next series'.
type found struct {
	called *called
	entry  *entry
	nth    int32
	first  int32
}

// value is a line: which of a histogram's, and where its limit and its value stand in the texts.
type value struct {
	from, mid, end uint32
	suffix         suffix
}

// suffix is what the name of a line ends in.
type suffix uint8

const (
	none suffix = iota
	bucket
	sum
	count
)

func (s suffix) String() string { return [...]string{"", "_bucket", "_sum", "_count"}[s] }

// block is a metric with its series, which are indices.
type block struct {
	name, kind string
	series     []int
}

// size is how much a page has of what it is made of.
type size struct{ families, found, lines, texts int }

func (p *Page) size() size { return size{len(p.families), len(p.found), len(p.lines), len(p.texts)} }

// grow makes room for a little more than that.
func (p *Page) grow(s size) {
	room := func(n int) int { return n + n/16 }
	p.families, p.found = make([]family, 0, room(s.families)), make([]found, 0, room(s.found))
	p.lines, p.texts = make([]value, 0, room(s.lines)), make([]byte, 0, room(s.texts))
}

// line adds a line to the last series.
func (p *Page) line(l line) {
	v := value{from: uint32(len(p.texts)), mid: uint32(len(p.texts) + len(l.limit))}
	p.texts = append(append(p.texts, l.limit...), l.value...)
	v.end = uint32(len(p.texts))
	for s := bucket; s <= count; s++ {
		if string(l.suffix) == s.String() {
			v.suffix = s
		}
	}
	p.lines = append(p.lines, v)
}

// sort gives the series what they are called, and groups them by it. Where one name has two types, which Prometheus
// does not allow, the series of the first are kept; those without a name are left out.
func (p *Page) sort() {
	byName := map[string]*block{}
	var last *block
	for i, f := range p.families {
		to := len(p.found)
		if i+1 < len(p.families) {
			to = p.families[i+1].first
		}
		for n := f.first; n < to; n++ {
			one := &p.found[n]
			if one.entry != nil {
				one.called, one.entry = &one.entry.called[one.nth], nil // later readings change the entry
			}
			name := one.called.name
			if name == "" {
				continue
			}
			if last == nil || last.name != name {
				if last = byName[name]; last == nil {
					last = &block{name: name, kind: f.kind}
					byName[name] = last
					p.blocks = append(p.blocks, last)
				}
			}
			if last.kind == f.kind {
				last.series = append(last.series, n)
			}
		}
	}
	slices.SortFunc(p.blocks, func(a, b *block) int { return strings.Compare(a.name, b.name) })
}

// Keep leaves out the metrics whose name is not wanted.
func (p *Page) Keep(wanted func(name string) bool) {
	p.blocks = slices.DeleteFunc(p.blocks, func(b *block) bool { return !wanted(b.name) })
}

// Kept are the metrics of an answer of Envoy's whose name is wanted: their "# TYPE" lines, and
// what follows each.
func Kept(text []byte, wanted func(name string) bool) []byte {
	var out []byte
	keep := false
	for line := range bytes.Lines(text) {
		if name, ok := bytes.CutPrefix(line, []byte("# TYPE ")); ok {
			name, _, _ = bytes.Cut(name, []byte(" "))
			keep = wanted(string(name))
		}
		if keep {
			out = append(out, line...)
		}
	}
	return out
}

// linesOf are the lines of the n-th series.
func (p *Page) linesOf(n int) []value {
	if n+1 < len(p.found) {
		return p.lines[p.found[n].first:p.found[n+1].first]
	}
	return p.lines[p.found[n].first:]
}

// WriteTo writes the page.
func (p *Page) WriteTo(to io.Writer) (n int64, err error) {
	w := &counter{to: to}
	b := bufio.NewWriterSize(w, 64<<10)
	put := func(texts ...string) {
		for _, s := range texts {
			_, _ = b.WriteString(s) // bufio keeps the first error for Flush
		}
	}
	for _, block := range p.blocks {
		put("# TYPE ", block.name, " ", block.kind, "\n")
		for _, n := range block.series {
			c := p.found[n].called
			for _, l := range p.linesOf(n) {
				put(c.name, l.suffix.String(), "{", c.labels)
				if l.mid > l.from {
					if c.labels != "" {
						put(",")
					}
					put(`le="`)
					_, _ = b.Write(p.texts[l.from:l.mid])
					put(`"`)
				}
				put("} ")
				_, _ = b.Write(p.texts[l.mid:l.end])
				put("\n")
			}
		}
		put("\n")
	}
	err = b.Flush()
	return w.n, err
}

// counter counts what has been written.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}
