package metrics

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxLine is the longest line that is taken: 25 labels of the longest names of a mesh have 4 KiB.
const maxLine = 64 << 10

// taker gets an answer of Envoy's piece by piece. Texts are its own during the call alone.
type taker interface {
	family(name []byte, kind string)
	series(labels []byte) // without the braces, and without a histogram's "le"
	line(l line)
}

// line is one value of a series. Of a histogram it is a _bucket with its limit, the _sum or
// the _count.
type line struct{ suffix, limit, value []byte }

// read hands an answer of Envoy's to a taker. It refuses what is no Prometheus text; whether the
// labels are well formed is not looked at.
func read(text io.Reader, to taker) error {
	lines, s := bufio.NewReaderSize(text, maxLine), scan{to: to}
	for n := 1; ; n++ {
		one, err := lines.ReadSlice('\n')
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && len(one) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("line %d is cut off", n)
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d has more than %d bytes", n, maxLine)
		default:
			return err
		}
		if one = one[:len(one)-1]; len(one) == 0 {
			continue
		}
		if one[0] == '#' {
			s.comment(one)
		} else if !s.value(one) {
			return fmt.Errorf("line %d is no value of the metric %.100q", n, s.name)
		}
	}
}

// scan is where a reading is.
type scan struct {
	to     taker
	name   []byte // of the metric; none yet
	kind   string // "": another one, of which no value is taken
	labels []byte // of the series of a histogram that is not at its end
	within bool   // there is such a series
}

// comment reads "# TYPE NAME KIND". Others say nothing.
func (s *scan) comment(text []byte) {
	rest, ok := bytes.CutPrefix(text, []byte("# TYPE "))
	name, kind, two := bytes.Cut(rest, []byte(" "))
	if !ok || !two || !isName(name) {
		return
	}
	s.name, s.kind, s.within = append(s.name[:0], name...), "", false
	for _, known := range []string{"counter", "gauge", "histogram"} {
		if string(kind) == known {
			s.kind = known
		}
	}
	s.to.family(name, s.kind)
}

// value reads NAME{LABELS} VALUE, and says whether the line is one of the metric's.
func (s *scan) value(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, s.name)
	open, end := bytes.IndexByte(rest, '{'), bytes.LastIndex(rest, []byte("} "))
	if !ok || len(s.name) == 0 || open < 0 || end < open {
		return false
	}
	l, labels := line{suffix: rest[:open], value: rest[end+2:]}, rest[open+1:end]
	if !isNumber(l.value) {
		return false
	}
	switch s.kind {
	case "histogram":
		if labels, ok = l.ofHistogram(labels); !ok {
			return false
		}
		if !s.within || !bytes.Equal(s.labels, labels) {
			s.to.series(labels)
			s.labels = append(s.labels[:0], labels...)
		}
		s.within = string(l.suffix) != "_count"
	case "counter", "gauge":
		if len(l.suffix) > 0 {
			return false
		}
		s.to.series(labels)
	default:
		return false
	}
	s.to.line(l)
	return true
}

// ofHistogram takes the limit of a bucket out of the labels.
func (l *line) ofHistogram(labels []byte) (others []byte, ok bool) {
	switch string(l.suffix) {
	case "_sum", "_count":
		return labels, true
	case "_bucket":
		const limit = `le="`
		at := bytes.LastIndex(labels, []byte(limit))
		if at < 0 || at > 0 && labels[at-1] != ',' || len(labels) <= at+len(limit) || labels[len(labels)-1] != '"' {
			return nil, false
		}
		l.limit = labels[at+len(limit) : len(labels)-1]
		return labels[:max(at-1, 0)], isNumber(l.limit)
	}
	return nil, false
}

// isName says whether it is the name of a metric or of a label.
func isName(text []byte) bool {
	for i, c := range text {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(text) > 0
}

// isNumber says whether text is a number.
func isNumber(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			_, err := strconv.ParseFloat(string(text), 64)
			return err == nil
		}
	}
	return len(text) > 0
}

// areLabels says whether text is NAME="VALUE",… or nothing.
func areLabels(text []byte) bool {
	for more := len(text) > 0; more; {
		name, rest, ok := bytes.Cut(text, []byte(`="`))
		if !ok || !isName(name) {
			return false
		}
		end := 0
		for ; end < len(rest) && rest[end] != '"'; end++ {
			if rest[end] == '\\' {
				end++
			}
		}
		if end >= len(rest) {
			return false
		}
		if text = rest[end+1:]; len(text) == 0 {
			return true
		}
		if text[0] != ',' {
			return false
		}
		text = text[1:]
	}
	return true
}
