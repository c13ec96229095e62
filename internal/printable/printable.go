// Package printable makes text that others wrote safe to show: on a terminal, in
// a log and in XML. It knows characters and nothing of where the text is from.
package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Text writes out as \u00NN every character that could steer a terminal or
// reorder what is read: C0 and C1 controls, DEL, line and paragraph separators,
// bidirectional controls, and what XML cannot hold. A byte that is no UTF-8
// becomes \xNN. Newline and tab stay. A JSON document keeps its meaning.
func Text(s string) string { return escape(s, "\n\t") }

// Line is Text for what must stay on one line and in one column: newlines and
// tabs are written out too.
func Line(s string) string { return escape(s, "") }

func escape(s, keep string) string {
	from := unsafe(s, keep)
	if from < 0 {
		return s
	}
	var b strings.Builder
	for {
		b.WriteString(s[:from])
		r, n := utf8.DecodeRuneInString(s[from:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[from])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[from+n:]
		if from = unsafe(s, keep); from < 0 {
			b.WriteString(s)
			return b.String()
		}
	}
}

// unsafe is the index of the first character to write out, or -1.
func unsafe(s, keep string) int {
	for i, r := range s {
		if r >= 0x20 && r < 0x7f {
			continue
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
			continue
		}
		if control(r) && !strings.ContainsRune(keep, r) {
			return i
		}
	}
	return -1
}

func control(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f: // C0, DEL, C1
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // bidirectional
	case r == 0x2028, r == 0x2029: // separators of lines and paragraphs
	case r == 0xfeff, r == 0xfffe, r == 0xffff: // byte order mark; no characters of XML
	default:
		return false
	}
	return true
}

// Writer passes what is written to it on to w as Text. Each Write must hold
// whole characters, as a logger's does.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ to io.Writer }

func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
