// Package httplimit has the limits that every HTTP server of ours keeps: how long
// a client may take, and how many connections it may have. It knows no paths.
package httplimit

import (
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// headerLimit and readLimit are the times for the header and for the whole request.
	headerLimit, readLimit = 2 * time.Second, 5 * time.Second
	// writeLimit is the time for an answer; a handler that takes longer extends it.
	writeLimit = 10 * time.Second
	// idleLimit is how long a connection may wait for its next request.
	idleLimit = 10 * time.Second
	// headerSize is more than any client of ours sends.
	headerSize = 8 << 10
)

// Server returns a server with these limits.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerLimit, ReadTimeout: readLimit, WriteTimeout: writeLimit,
		IdleTimeout: idleLimit, MaxHeaderBytes: headerSize}
}

const (
	// maxConnections and minConnections bound what Connections returns.
	maxConnections, minConnections = 128, 8
	// reserve is the number of descriptors that are kept for ourselves and for children: a
	// running mesh has about 40 open, and each start of a child takes a dozen for a moment.
	reserve = 128
)

// Connections is how many connections may be open at once so that a child can
// always be started: 128, or fewer where this process may open few descriptors.
func Connections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return minConnections
	}
	return connections(limit.Cur)
}

func connections(files uint64) int {
	if files < reserve {
		return minConnections
	}
	return int(max(minConnections, min(maxConnections, (files-reserve)/2)))
}

// Listener accepts at most so many connections at a time; further ones wait in
// the kernel's queue. A connection that was taken over by a handler counts until
// it is closed.
type Listener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[*conn]struct{} // nil once closed
}

// Limit returns l with at most n connections open at once.
func Limit(l net.Listener, n int) *Listener {
	return &Listener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{}), open: map[*conn]struct{}{}}
}

// Accept waits for a slot, then for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	limited := &conn{Conn: c, l: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		<-l.slots
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.open[limited] = struct{}{}
	return limited, nil
}

// Close stops accepting; connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// CloseAll closes the listener and every connection, those too that a handler has
// taken over.
func (l *Listener) CloseAll() {
	_ = l.Close() // it is gone either way
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

type conn struct {
	net.Conn
	l    *Listener
	once sync.Once
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.mu.Lock()
		delete(c.l.open, c)
		c.l.mu.Unlock()
		<-c.l.slots
	})
	return err
}
