package ecs

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each request is counted once, by what it came to.
func TestRequests(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good/task":
			w.Write([]byte(`{"TaskARN":"arn:aws:ecs:eu-west-1:111122223333:task/shop/5f2c"}`))
		case "/bad/task":
			http.Error(w, `"throttled"`, http.StatusTooManyRequests)
		case "/odd/task":
			w.Write([]byte("<html>"))
		case "/slow/task":
			<-r.Context().Done()
		}
	}
	s := httptest.NewServer(http.HandlerFunc(answer))
	gone := s.URL
	t.Cleanup(s.Close)
	counts := map[string]int64{}
	for _, path := range []string{"/good", "/good", "/bad", "/odd", "/slow"} {
		c, err := New(gone + path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Task(t.Context())
		for result, n := range c.Requests() {
			counts[result] += n
		}
	}
	c, err := New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Task(t.Context())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = c.Task(over) // the caller's end is no failure of the endpoint's
	for result, n := range c.Requests() {
		counts[result] += n
	}
	if diff := cmp.Diff(map[string]int64{"ok": 2, "status": 1, "malformed": 1, "timeout": 1, "unreachable": 1}, counts); diff != "" {
		t.Error(diff)
	}
}
