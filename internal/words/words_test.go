package words

import (
	"slices"
	"testing"
)

func TestList(t *testing.T) {
	for s, want := range map[string][]string{"": nil, " , ,": nil, "a": {"a"}, "a, b ,,c d": {"a", "b", "c d"}} {
		if got := List(s); !slices.Equal(got, want) {
			t.Errorf("%q: %q", s, got)
		}
	}
}
