// Package admin is the local API of a running task: a unix socket in the state
// directory, and optionally a TCP address on loopback. It serves what its
// Source says and knows nothing of how a task works.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"meshtask/internal/httplimit"
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
	// Metrics writes the state in Prometheus' text format. It may take some seconds, and its
	// writer may fail.
	Metrics(ctx context.Context, to io.Writer)
}

// Server answers on its listeners until it is closed.
type Server struct {
	parts []part

	mu      sync.Mutex
	busy    int           // handlers under way
	closing func()        // ends their contexts; nil once closed
	quiet   chan struct{} // closed when Close was called and no handler is left
}

// part is one listener, with what is served there.
type part struct {
	http *http.Server
	l    *httplimit.Listener
}

// Socket is the name of the unix socket in a state directory.
const Socket = "admin.sock"

// Listen binds the unix socket (mode 0600, a stale file is replaced: the caller
// holds the state directory) and, unless tcp is empty, HOST:PORT. more are
// further paths; nil: none. A handler may keep its connection until its
// request's context is done.
func Listen(socket, tcp string, src Source, more map[string]http.Handler) (*Server, error) {
	ctx, cancelCause := context.WithCancelCause(context.Background())
	cancel := func() { cancelCause(http.ErrServerClosed) } // a request's context ends with its client too: the cause tells
	s := &Server{closing: cancel, quiet: make(chan struct{})}
	add := func(l net.Listener, n int, h http.Handler) {
		server := httplimit.Server(s.counted(h))
		server.BaseContext = func(net.Listener) context.Context { return ctx }
		s.parts = append(s.parts, part{server, httplimit.Limit(l, n)})
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		cancel()
		return nil, fmt.Errorf("cannot replace the admin socket: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot bind the admin socket: %w", err)
	}
	// The socket has connections of its own, so that health is heard beside a crowd.
	add(l, httplimit.Connections()/4, handler(src, more, true))
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
		add(l, httplimit.Connections(), ownHost(handler(src, more, false)))
	}
	return s, nil
}

// Serve answers until Close; it returns nil then, and an error when a listener
// broke. Every handler has ended when it returns, those too that have taken their
// connection over.
func (s *Server) Serve() error {
	errs := make(chan error, len(s.parts))
	for _, p := range s.parts {
		go func() { errs <- p.http.Serve(p.l) }()
	}
	var first error
	for range s.parts {
		err := <-errs
		if !s.isClosed() && first == nil {
			first = fmt.Errorf("admin server: %w", err)
		}
		s.Close()
	}
	<-s.quiet
	return first
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing == nil
}

// Close ends Serve; answers under way are cut.
func (s *Server) Close() {
	s.mu.Lock()
	if end := s.closing; end != nil {
		s.closing = nil
		end()
		if s.busy == 0 {
			close(s.quiet)
		}
	}
	s.mu.Unlock()
	for _, p := range s.parts {
		_ = p.http.Close() // its listener is gone either way
		p.l.CloseAll()
	}
}

// counted is h, whose end Serve waits for.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		open := s.closing != nil
		if open {
			s.busy++
		}
		s.mu.Unlock()
		if !open {
			http.Error(w, "the task is about to end", http.StatusServiceUnavailable)
			return
		}
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.busy--; s.busy == 0 && s.closing == nil {
				close(s.quiet)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// ownHost refuses a Host that is a name: a page in a browser could have it
// resolved to a loopback address, and read the answers. Addresses, localhost and
// no Host at all are what tools send.
func ownHost(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		if _, err := netip.ParseAddr(host); err != nil && host != "" && !strings.EqualFold(host, "localhost") {
			http.Error(w, "the Host of a request must be an IP address or localhost", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// handler serves src; private is what only the unix socket has.
func handler(src Source, more map[string]http.Handler, private bool) http.Handler {
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
		if !private {
			http.Error(w, "the status is served on the unix socket alone: run meshtask status", http.StatusNotFound)
			return
		}
		text, err := json.Marshal(src.Status())
		if err != nil {
			http.Error(w, "cannot encode the status: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)+1)) // so that a cut answer is seen to be one
		_, _ = w.Write(append(text, '\n'))                          // the reader may be gone
	})
	mux.Handle("GET /metrics", Metrics(src.Metrics))
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
