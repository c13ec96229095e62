package httplimit

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestConnectionsLeaveDescriptorsForChildren(t *testing.T) {
	for files, want := range map[uint64]int{0: 8, 64: 8, 127: 8, 144: 8, 256: 64, 384: 128, 1024: 128, 1 << 40: 128} {
		if got := connections(files); got != want {
			t.Errorf("%d files: %d connections, want %d", files, got, want)
		}
	}
	if n := Connections(); n < minConnections || n > maxConnections {
		t.Errorf("here: %d", n)
	}
}

// A connection beyond the limit is served once another one has closed; one that was
// taken over counts too.
func TestAFullListenerServesTheNextOneLater(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Limit(inner, 1)
	taken := make(chan net.Conn, 1)
	srv := Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/take" {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
			}
			taken <- c
		}
	}))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	first, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := io.WriteString(first, "GET /take HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c := <-taken
	got := make(chan error, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{}}
		resp, err := client.Get("http://" + inner.Addr().String() + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		client.CloseIdleConnections()
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("a second connection was served beside the first: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	_ = c.Close()
	_ = c.Close() // twice is once
	if err := <-got; err != nil {
		t.Errorf("after the first one: %v", err)
	}
	l.CloseAll()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve: %v", err)
	}
}

func TestCloseAllEndsWhatHandlersHaveTaken(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Limit(inner, 4)
	go func() { _, _ = net.Dial("tcp", inner.Addr().String()) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.CloseAll()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after CloseAll: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

func TestEveryTimeIsLimited(t *testing.T) {
	s := Server(nil)
	for name, d := range map[string]time.Duration{"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > 10*time.Second {
			t.Errorf("%s: %v", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 {
		t.Error("headers have no size")
	}
}
