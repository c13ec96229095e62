package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type source struct{ ok bool }

func (s *source) Health() (bool, string) { return s.ok, "envoy is down" }
func (s *source) Up() bool               { return s.ok }
func (s *source) Status() any            { return map[string]string{"service": "web"} }
func (s *source) Metrics() []byte        { return []byte("meshtask_up 1\n") }

func serve(t *testing.T, tcp string, src Source) (dir string, s *Server) {
	t.Helper()
	dir = t.TempDir()
	socket := filepath.Join(dir, Socket)
	if err := os.WriteFile(socket, []byte("a stale file"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(socket, tcp, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return dir, s
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
		resp, err := http.Get("http://" + s.listeners[1].Addr().String() + path)
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
