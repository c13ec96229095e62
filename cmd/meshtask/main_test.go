package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The Consul library would take token, CA and namespace from our environment.
func TestNoConsulVariableIsLeftToTheLibrary(t *testing.T) {
	given := []string{"CONSUL_HTTP_TOKEN=x", "CONSUL_HTTP_TOKEN_FILE=/nowhere", "CONSUL_NAMESPACE=other", "CONSUL_CACERT=-----BEGIN"}
	for _, kv := range given {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	known := environ(os.Environ())
	for _, kv := range given {
		name, _, _ := strings.Cut(kv, "=")
		if value, left := os.LookupEnv(name); left {
			t.Errorf("%s is still %q", name, value)
		}
		if !slices.Contains(known, kv) {
			t.Errorf("we do not know %s any more", name)
		}
	}
}
