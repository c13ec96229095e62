package admin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// The listener that may be beyond loopback gives away metrics and nothing else, by any name and
// with no way to change anything.
func TestMetricsAlone(t *testing.T) {
	src := &source{ok: true}
	s, err := ListenMetrics("127.0.0.1:0", src.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	address := s.parts[0].l.Addr().String()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "web.internal:9903" // as service discovery calls it
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	if code, body := ask("GET", "/metrics"); code != 200 || !strings.Contains(body, "meshtask_up 1") {
		t.Errorf("GET: %d %q", code, body)
	}
	if code, body := ask("HEAD", "/metrics"); code != 200 || body != "" {
		t.Errorf("HEAD: %d %q", code, body)
	}
	for _, path := range []string{"/", "/status", "/health", "/ready", "/events", "/lease", "/debug/pprof/", "/metrics/"} {
		if code, _ := ask("GET", path); code != 404 {
			t.Errorf("GET %s: %d, want 404", path, code)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if code, _ := ask(method, "/metrics"); code != 405 {
			t.Errorf("%s: %d, want 405", method, code)
		}
	}
}

func TestMetricsAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = ListenMetrics(l.Addr().String(), nil)
	if err == nil || !strings.Contains(err.Error(), "admin.metrics") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Error(fmt.Sprint(err))
	}
}
