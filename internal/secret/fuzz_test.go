package secret

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What Parse takes is one reference in one form, with nothing in it that a terminal or an
// endpoint would take for something else; what it refuses may be a secret, and is not shown.
func FuzzParse(f *testing.F) {
	for _, s := range []string{sm, sm + ":k:s:v", sm + ":::v", par, "env:A", "file:/x", "arn:aws:ssm", "hunter2", "env:hunter2-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			// An ARN is shown, so that it can be corrected.
			if !r.IsZero() || !strings.HasPrefix(s, "arn:") && len(s) > 40 && strings.Contains(err.Error(), s) {
				t.Errorf("Parse(%q) = %+v, %v", s, r, err)
			}
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r || !Is(s) {
			t.Errorf("Parse(%q) = %+v, again %+v, %v", s, r, again, err)
		}
		if r.Kind != SecretsManager && r.Kind != SSM {
			return
		}
		if !utf8.ValidString(r.String()) || strings.ContainsFunc(r.String(), unicode.IsControl) {
			t.Errorf("Parse(%q): a control character is taken", s)
		}
		if !made(r.Region, lower+digits+"-") || r.Name == "" || !strings.HasPrefix(s, r.ARN) || strings.Count(r.ARN, ":") > 6 {
			t.Errorf("Parse(%q) = %+v", s, r)
		}
	})
}

// A key of a secret's content is a value that is there, or waited for; no error shows the content.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"", "{}", `{"token":"t"}`, `{"token":{}}`, `{"token":null}`, `{"token":12}`, `{"token":`, "hunter2", ` {"token":"\u0000"}`} {
		f.Add(s, "token")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, content, key string) {
		got, err := value(Ref{Kind: SecretsManager, ARN: sm, Key: key}, content)
		switch {
		case err == nil && got == "":
			t.Errorf("%q of %q is empty", key, content)
		case err != nil && (got != "" || !errors.Is(err, ErrNotYet)):
			t.Errorf("%q of %q: %q, %v", key, content, got.Reveal(), err)
		case err != nil && len(content) > len(key)+60 && strings.Contains(err.Error(), content):
			t.Errorf("the error shows the content: %v", err)
		}
	})
}
