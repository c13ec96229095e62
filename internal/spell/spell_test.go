package spell

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"run", "app", "--no-mesh", "--no-drain", "config", "propagationWait"}
	for word, want := range map[string]string{"rnu": "run", "--no-mehs": "--no-mesh", "Config": "config", "propagationwait": "propagationWait",
		"konfig": "config", "teapot": "", "": "", "--no-darin": "--no-drain"} {
		if got := Nearest(word, known...); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != got {
			t.Errorf("%s, %s: %d", c.a, c.b, got)
		}
	}
}
