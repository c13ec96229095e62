package pairs

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for version, want := range map[string]string{
		"1.22.6": "1.22", "v1.22.7": "1.22", "1.21.4+ent": "1.21", "1.18.2": "1.18", "2.0.1": "2.0",
		"2.1.0": "", "1.99.0": "", "": "", "1.22": "", "main": "", "a.b.c": "", "-1.22.0": "",
	} {
		if line, ok := Of(version); line.Consul != want || ok != (want != "") {
			t.Errorf("%q: %v, %v", version, line, ok)
		}
	}
}

func TestDeclares(t *testing.T) {
	line, _ := Of("1.22.6")
	for version, want := range map[string]bool{
		"1.32.9": false, "1.33.0": true, "1.35.99": true, "1.36.2": false, "2.33.0": false, "0.34.0": false,
		"1.35.0-dev": true, "main": false, "": false,
	} {
		if line.Declares(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct{ consul, envoy, want string }{
		{"1.22.6", "1.20.2", "Envoy 1.33 to 1.35 with Consul 1.22, or Consul 1.13 with Envoy 1.20"},
		{"1.20.6", "1.18.4", "Envoy 1.26 to 1.31 with Consul 1.20, or Consul 1.11 with Envoy 1.18"},
		{"1.22.6", "1.40.0", "Envoy 1.33 to 1.35 with Consul 1.22"},
		{"9.9.9", "1.35.8", "Consul 2.0 with Envoy 1.35"},
		{"1.22.6", "1.35.8", ""},
		{"", "main", ""},
	} {
		if got := Nearest(c.consul, c.envoy); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.consul, c.envoy, got, c.want)
		}
	}
}

// The lines are in the order of their age, and no later one takes older Envoys.
func TestLinesAreOrdered(t *testing.T) {
	all := Lines()
	for i, l := range all {
		if l.From > l.To || i > 0 && (l.From < all[i-1].From || l.To < all[i-1].To) {
			t.Errorf("%+v after %+v", l, all[max(0, i-1)])
		}
	}
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{"1.35.0": false, "1.36.0": true, "1.36.2": true, "2.0.0": true, "0.99.0": false, "main": false, "": false} {
		if AtLeast(version, 36) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}

// What is known of a pair before it runs: refused is only what its Consul will refuse.
func TestKnown(t *testing.T) {
	for _, c := range []struct {
		consul, envoy, words string
		refused              bool
	}{
		{"1.22.6", "1.35.8", "declared by Consul 1.22", false},
		{"1.21.4+ent", "1.34.1", "declared by Consul 1.21", false},
		{"1.22.6", "1.36.2", "not declared by Consul 1.22, which declares Envoy 1.33 to 1.35 and serves later ones", false},
		{"1.22.6", "1.20.2", "too old, Consul 1.22 refuses it; use Envoy 1.33 to 1.35 with Consul 1.22, or Consul 1.13 with Envoy 1.20", true},
		{"1.20.6", "1.32.9", "not declared by Consul 1.20", false},
		{"9.9.9", "1.36.2", "not known to fit", false},
		{"", "1.36.2", "not known to fit", false},
		{"1.22.6", "", "not known to fit: it names no version", false},
		{"1.22.6", "main", "not declared by Consul 1.22", false},
	} {
		words, refused := Known(c.consul, c.envoy)
		if !strings.HasPrefix(words, c.words) || refused != c.refused {
			t.Errorf("%s, %s: %q, %v", c.consul, c.envoy, words, refused)
		}
	}
}
