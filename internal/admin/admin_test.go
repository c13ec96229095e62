package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type source struct {
	ok     bool
	status any
}

func (s *source) Health() (bool, string) { return s.ok, "envoy is down" }
func (s *source) Up() bool               { return s.ok }
func (s *source) Status() any {
	if s.status != nil {
		return s.status
	}
	return map[string]string{"service": "web"}
}
func (s *source) Metrics(_ context.Context, to io.Writer) { fmt.Fprintln(to, "meshtask_up 1") }

func serve(t *testing.T, tcp string, src Source) (dir string, s *Server) {
	t.Helper()
	return serveMore(t, tcp, src, nil)
}

func serveMore(t *testing.T, tcp string, src Source, more map[string]http.Handler) (dir string, s *Server) {
	t.Helper()
	dir = t.TempDir()
	socket := filepath.Join(dir, Socket)
	if err := os.WriteFile(socket, []byte("a stale file"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(socket, tcp, src, more)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return dir, s
}

// run serves until the test ends, without an error.
func run(t *testing.T, s *Server) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func TestHealthAnswersFromTheRunningTask(t *testing.T) {
	src := &source{ok: true}
	dir, _ := serve(t, "", src)
	if ok, _, err := Health(t.Context(), dir); !ok || err != nil {
		t.Errorf("healthy task: %v, %v", ok, err)
	}
	src.ok = false
	if ok, why, err := Health(t.Context(), dir); ok || why != "envoy is down" || err != nil {
		t.Errorf("sick task: %v %q, %v", ok, why, err)
	}
	if st, err := os.Stat(filepath.Join(dir, Socket)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket mode %v, %v", st.Mode(), err)
	}
	b, err := Status(t.Context(), dir)
	if err != nil || !strings.Contains(string(b), `"service":"web"`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestADeadOrWedgedTaskIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Health(t.Context(), dir); err == nil {
		t.Error("no socket, no error")
	}
	l, err := net.Listen("unix", filepath.Join(dir, Socket)) // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := Health(ctx, dir); err == nil {
		t.Error("a wedged task has no error")
	}
}

func TestTheTCPSideServesTheSame(t *testing.T) {
	_, s := serve(t, "127.0.0.1:0", &source{ok: true})
	for path, want := range map[string]string{"/ready": "ok", "/health": "ok", "/metrics": "meshtask_up 1"} {
		resp, err := http.Get("http://" + s.parts[1].l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
}

// /status has pids, errors and the timeline: it is not for everybody in the task.
func TestTheStatusIsOnTheSocketAlone(t *testing.T) {
	dir, s := serve(t, "127.0.0.1:0", &source{ok: true})
	resp, err := http.Get("http://" + s.parts[1].l.Addr().String() + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(string(b), "meshtask status") {
		t.Errorf("over TCP: %s %q, %v", resp.Status, b, err)
	}
	if _, err := Status(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// A page whose name was made to point at loopback is refused; tools are not.
func TestHostMustBeAnAddress(t *testing.T) {
	_, s := serve(t, "127.0.0.1:0", &source{ok: true})
	address := s.parts[1].l.Addr().String()
	for host, want := range map[string]int{
		"": 200, "127.0.0.1": 200, "127.45.6.7:9902": 200, "localhost": 200, "LOCALHOST:9902": 200, "[::1]:9902": 200, "[::1]": 200, "10.1.2.3": 200,
		"evil.example": 421, "evil.example:9902": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "meshtask": 421, "127.1": 421, "[evil]:1": 421,
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /health HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want || want == 421 && !strings.Contains(string(b), "must be an IP address or localhost") {
			t.Errorf("Host %q: %d %q, %v", host, resp.StatusCode, b, err)
		}
		_ = c.Close()
	}
}

// A status of any size is read whole or not at all.
func TestAStatusIsNeverCut(t *testing.T) {
	src := &source{status: strings.Repeat("x", 3<<20)}
	dir, _ := serve(t, "", src)
	if b, err := Status(t.Context(), dir); err != nil || len(b) < 3<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	src.status = strings.Repeat("x", maxAnswer)
	if _, err := Status(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "more than 8 MiB") {
		t.Errorf("an answer beyond the limit: %v", err)
	}
}

// A handler that has taken its connection over ends before Serve returns, so that
// nothing speaks after the end.
func TestCloseEndsConnectionsThatWereTakenOver(t *testing.T) {
	taken, over := make(chan struct{}), make(chan struct{})
	dir, s := serveMore(t, "", &source{}, map[string]http.Handler{"/take": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		close(taken)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || !errors.Is(context.Cause(r.Context()), http.ErrServerClosed) {
			t.Errorf("read: %v, cause: %v", err, context.Cause(r.Context()))
		}
	})})
	c, err := net.Dial("unix", filepath.Join(dir, Socket))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /take HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-taken
	s.Close()
	<-s.quiet
	select {
	case <-over:
	default:
		t.Error("Serve may return while a handler is under way")
	}
}
