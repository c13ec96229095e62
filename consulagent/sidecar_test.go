package consulagent

import (
	"strings"
	"testing"
)

// A sidecar that the agent does not have, and one that is refused, are errors that say so.
func TestSidecarFaults(t *testing.T) {
	f := newServers(t)
	c := newTestClient(t, f, nil)
	if s, err := c.Sidecar(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an agent without it: %v, %v", s, err)
	}
	f.Fail("/v1/agent/service/web-1-sidecar-proxy", forbidden)
	if s, err := c.Sidecar(t.Context()); err == nil || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("a refusal: %v, %v", s, err)
	}
}
