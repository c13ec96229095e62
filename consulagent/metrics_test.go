package consulagent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// An agent that refuses is asked once: each refusal would be an error in its log. One that does
// not answer, or fails, is asked again.
func TestMetrics(t *testing.T) {
	status, asked, token := http.StatusOK, 0, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		token = r.Header.Get("X-Consul-Token")
		if r.URL.String() != "/v1/agent/metrics?format=prometheus" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "consul_client_rpc 28")
	}))
	t.Cleanup(s.Close)
	c := NewClient(ClientConfig{Address: strings.TrimPrefix(s.URL, "http://"), Token: func() string { return "of-the-service" }, AgentToken: func() string { return "of-the-agent" }})
	defer c.Close()
	m := &Metrics{Client: c}
	for range 2 {
		if text, err := m.Read(t.Context()); err != nil || string(text) != "consul_client_rpc 28" {
			t.Fatalf("%q, %v", text, err)
		}
	}
	if asked != 2 || token != "of-the-agent" {
		t.Errorf("asked %d times with %q", asked, token)
	}
	status = http.StatusInternalServerError
	for range 2 {
		if _, err := m.Read(t.Context()); err == nil {
			t.Error("a failure is metrics")
		}
	}
	if asked != 4 {
		t.Errorf("after a failure asked %d times, want 4", asked)
	}
	status = http.StatusForbidden
	for range 3 {
		if _, err := m.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("%v", err)
		}
	}
	if asked != 5 {
		t.Errorf("an agent that refuses was asked %d times, want 5", asked)
	}
}
