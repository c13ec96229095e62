package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// waitFor polls the generator: requests are real time and real sockets.
func waitFor(t *testing.T, g *Generator, sent int) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if n, _ := g.Counts(); n >= sent {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("fewer than %d requests within two minutes", sent)
		}
	}
}

func TestMixAndFailures(t *testing.T) {
	var long, posts, bad atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		if r.URL.Path == "/long" {
			if long.Add(1) == 2 {
				bad.Add(1)
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	}))
	defer server.Close()
	g := Start(t.Context(), Config{URL: server.URL, LongURL: server.URL + "/long", Rate: 400, Long: 10, NewConn: 50, Body: 8})
	waitFor(t, g, 100)
	r := g.Stop()
	if int(posts.Load()) != r.Sent {
		t.Errorf("the server saw %d requests, the report says %d", posts.Load(), r.Sent)
	}
	if got := int(long.Load()); got < r.Sent/20 || got > r.Sent/5 {
		t.Errorf("%d of %d requests were long, want about a tenth", got, r.Sent)
	}
	if len(r.Failures) != 1 || r.Failures[0].Kind != "503" || !r.Failures[0].Long {
		t.Errorf("failures are %+v, want one long 503", r.Failures)
	}
	if r.Kinds() != "1 503 (long)" {
		t.Errorf("kinds are %q", r.Kinds())
	}
	if first := r.Firsts(); strings.Count(first, "\n") != 1 || !strings.Contains(first, "status 503") {
		t.Errorf("the first failures are %q, want the one with its status", first)
	}
}

func TestRefusedAndReset(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	g := Start(t.Context(), Config{URL: server.URL, Rate: 200, NewConn: 100, Body: 1})
	waitFor(t, g, 3)
	server.Close()
	before, _ := g.Counts()
	waitFor(t, g, before+30)
	r := g.Stop()
	if len(r.Failures) != r.Sent {
		t.Errorf("%d of %d failed, want all", len(r.Failures), r.Sent)
	}
	if !strings.Contains(r.Kinds(), "refused") || !strings.Contains(r.Kinds(), "eof") {
		t.Errorf("kinds are %q, want eof while it hung up and refused after", r.Kinds())
	}
}
