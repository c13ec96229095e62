package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"meshtask/internal/httplimit"
)

// Metrics are a task's, in Prometheus' text format. It is Source's method of that name.
type Metrics func(ctx context.Context, to io.Writer)

// ListenMetrics binds IP:PORT, on any interface, for GET and HEAD of /metrics and nothing else. A
// collector may call it by any name, so the Host is not looked at: there is nothing here that a
// stranger's page could ask for.
func ListenMetrics(tcp string, m Metrics) (*Server, error) {
	l, err := net.Listen("tcp", tcp)
	if err != nil {
		return nil, fmt.Errorf("cannot bind admin.metrics: %w", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &Server{closing: func() { cancel(http.ErrServerClosed) }, quiet: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m)
	server := httplimit.Server(s.counted(mux))
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	s.parts = []part{{server, httplimit.Limit(l, httplimit.Connections()/4)}}
	return s, nil
}

// ServeHTTP answers with the metrics.
func (m Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if r.Method == http.MethodHead {
		return // nobody is asked for what is not sent
	}
	m(r.Context(), w)
}
