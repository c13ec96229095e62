// Package admin is the local API of a running task: a unix socket in the state
// directory, and optionally a TCP address on loopback. It serves what its
// Source says and knows nothing of how a task works.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"meshtask/internal/statedir"
)

// Source is the running task.
type Source interface {
	// Health says whether the task is up and its app healthy, and if not, why
	// in one line. It must answer at once.
	Health() (ok bool, why string)
	// Up says whether T2 was reached and no stop began.
	Up() bool
	// Status is the live state, as JSON encodes it.
	Status() any
	// Metrics is the state in Prometheus' text format.
	Metrics() []byte
}

// Server answers on its listeners until it is closed.
type Server struct {
	http      http.Server
	listeners []net.Listener
}

// Socket is the name of the unix socket in a state directory.
const Socket = "admin.sock"

// Listen binds the unix socket (mode 0600, a stale file is replaced: the caller
// holds the state directory) and, unless tcp is empty, HOST:PORT. more are
// further paths; nil: none.
func Listen(socket, tcp string, src Source, more map[string]http.Handler) (*Server, error) {
	s := &Server{http: http.Server{Handler: handler(src, more), ReadHeaderTimeout: 2 * time.Second, ErrorLog: nil}}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the admin socket: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("cannot bind the admin socket: %w", err)
	}
	s.listeners = append(s.listeners, l)
	if err := os.Chmod(socket, 0o600); err != nil { // it was closed to others by its directory, which is 0700, from its birth
		s.Close()
		return nil, fmt.Errorf("cannot close the admin socket to others: %w", err)
	}
	if tcp != "" {
		l, err := net.Listen("tcp", tcp)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("cannot bind admin.listen: %w", err)
		}
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

// Serve answers until Close; it returns nil then, and an error when a listener
// broke.
func (s *Server) Serve() error {
	errs := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { errs <- s.http.Serve(l) }()
	}
	var first error
	for range s.listeners {
		if err := <-errs; !errors.Is(err, http.ErrServerClosed) && first == nil {
			first = fmt.Errorf("admin server: %w", err)
			s.Close()
		}
	}
	return first
}

// Close ends Serve; answers under way are cut.
func (s *Server) Close() {
	_ = s.http.Close() // its listeners are gone either way
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

func handler(src Source, more map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, h := range more {
		mux.Handle("GET "+path, h)
	}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		ok, why := src.Health()
		answer(w, ok, why)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { answer(w, src.Up(), "the task is not up") })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(src.Status()) // the reader may be gone
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(src.Metrics()) // the reader may be gone
	})
	return mux
}

func answer(w http.ResponseWriter, ok bool, why string) {
	if ok {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, why)
}

// dial returns a client of the task in dir. One call, then close idle.
func dial(dir string) (*http.Client, *http.Transport) {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return statedir.Dial(ctx, dir, Socket)
	}}
	return &http.Client{Transport: t}, t
}
