package printable

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain – ä 日本 👩‍👩‍👧":       "plain – ä 日本 👩‍👩‍👧",
		"two\n\tlines":             "two\n\tlines",
		"\x1b]0;title\a":           `\u001b]0;title\u0007`,
		"a\rb\x00\x7f":             `a\u000db\u0000\u007f`,
		"\u009b31m":                `\u009b31m`,
		"a\u202eb\u2066c\u200fd":   `a\u202eb\u2066c\u200fd`,
		"\u061c\u2028\u2029\ufeff": `\u061c\u2028\u2029\ufeff`,
		"\xff\xc3(\ufffd":          "\\xff\\xc3(\ufffd",
		"\x9b31m":                  `\x9b31m`,
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for r := range rune(0x10000) {
		steers := unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029
		if got := Line("a" + string(r) + "b"); steers && strings.ContainsRune(got, r) {
			t.Errorf("%U is kept: %q", r, got)
		}
	}
	if got := Line("a\n\tb"); got != `a\n\tb` {
		t.Errorf("a line: %q", got)
	}
	var out bytes.Buffer
	if n, err := io.WriteString(Writer(&out), "a\x1bb\n"); n != 4 || err != nil || out.String() != "a\\u001bb\n" {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[2Jb\u202ec\xff")
	f.Add(`{"a":"\u001b"}`)
	f.Fuzz(func(t *testing.T, s string) {
		safe := Text(s)
		if !utf8.ValidString(safe) || Text(safe) != safe {
			t.Errorf("%q became %q", s, safe)
		}
		for _, r := range safe {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%q kept %q", s, r)
			}
		}
		if strings.ContainsAny(Line(s), "\n\t") {
			t.Errorf("%q is not one line: %q", s, Line(s))
		}
		var b bytes.Buffer
		if err := xml.EscapeText(&b, []byte(safe)); err != nil || strings.ContainsRune(b.String(), utf8.RuneError) && !strings.ContainsRune(s, utf8.RuneError) {
			t.Errorf("%q is no XML: %v", s, err)
		}
		doc, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		if json.Unmarshal(doc, &want) != nil || json.Unmarshal([]byte(Text(string(doc))), &got) != nil || got != want {
			t.Errorf("the JSON of %q changed its meaning: %q", s, got)
		}
	})
}
