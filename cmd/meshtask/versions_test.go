package main

import (
	"strings"
	"testing"
)

// What is known of a pair before it runs: refused is only what its Consul will refuse.
func TestPair(t *testing.T) {
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
		words, refused := pair(c.consul, c.envoy)
		if !strings.HasPrefix(words, c.words) || refused != c.refused {
			t.Errorf("%s, %s: %q, %v", c.consul, c.envoy, words, refused)
		}
	}
}
