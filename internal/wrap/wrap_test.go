package wrap

import (
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	for _, c := range []struct {
		first, rest, text string
		width             int
		want              string
	}{
		{"", "", "", 10, ""},
		{"", "", "  a  b\nc ", 0, "a b c"},
		{"", "", "one two three", 7, "one two|three"},
		{"- ", "  ", "one two three", 7, "- one|  two|  three"},
		{"", "  ", "incomprehensibilities are", 5, "incomprehensibilities|  are"},
		{"", "", "ä ö ü", 3, "ä ö|ü"},
	} {
		if got := strings.Join(Lines(c.first, c.rest, c.text, c.width), "|"); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
