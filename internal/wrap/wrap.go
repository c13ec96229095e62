// Package wrap breaks a text into lines for a person to read.
package wrap

import (
	"strings"
	"unicode/utf8"
)

// Lines are the words of text in lines of width characters at most, the first behind first and
// the others behind rest. A word that is longer has a line of its own. width 0 is one line.
func Lines(first, rest, text string, width int) []string {
	var lines []string
	line := first
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return append(lines, line)
}
