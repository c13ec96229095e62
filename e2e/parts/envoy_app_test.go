package parts

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// h2app answers in the test itself, with HTTP/1 and cleartext HTTP/2, a slow
// path, and an echo on an upgraded connection.
func (b *envoyBed) h2app() {
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(600 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		fmt.Fprintln(w, r.Proto)
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, buffered)
	})
	listener, err := net.Listen("tcp", b.service)
	if err != nil {
		b.t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: protocols}
	go server.Serve(listener)
	b.t.Cleanup(func() { server.Close() })
}

func (b *envoyBed) h2() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	config := b.tls()
	config.NextProtos = []string{"h2"}
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: config,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", b.listen)
		},
	}
	b.t.Cleanup(transport.CloseIdleConnections)
	return transport
}
