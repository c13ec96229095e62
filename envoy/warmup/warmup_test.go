package warmup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"meshtask/internal/testbed/eventually"
)

// seen is a call as the server got it; gone is closed when the client has left it.
type seen struct {
	header  http.Header
	proto   string
	path    string
	message []byte
	gone    chan struct{}
}

// serve plays a Consul server's gRPC port, which does with each call what answer says.
func serve(t *testing.T, overTLS bool, answer func(w http.ResponseWriter, r *http.Request)) (c Config, calls <-chan seen) {
	t.Helper()
	all := make(chan seen, 8)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := seen{header: r.Header, proto: r.Proto, path: r.URL.Path, gone: make(chan struct{})}
		defer close(call.gone)
		head := make([]byte, 5)
		if _, err := io.ReadFull(r.Body, head); err != nil {
			t.Error(err)
			return
		}
		call.message = make([]byte, int(head[1])<<24|int(head[2])<<16|int(head[3])<<8|int(head[4]))
		if _, err := io.ReadFull(r.Body, call.message); err != nil || head[0] != 0 {
			t.Error(head, err)
			return
		}
		all <- call
		answer(w, r)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(!overTLS)
	server.Config.Protocols.SetHTTP2(overTLS)
	c = Config{NodeID: "web-1-sidecar-proxy", Cluster: "web", NodeName: "arn:aws:ecs:r:1:cluster/c", Token: "s3cret"}
	if overTLS {
		server.EnableHTTP2 = true
		server.StartTLS()
		c.TLS = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com"}
		c.TLS.RootCAs.AddCert(server.Certificate())
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	c.Address = server.Listener.Addr().String()
	return c, all
}

// wait answers with one message, and then leaves the stream open until the client goes.
func wait(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte{0, 0, 0, 0, 1, 'x'})
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// status ends a stream at once, as gRPC does with a call that it refuses.
func status(code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", code)
		w.Header().Set("Grpc-Message", message)
	}
}

func TestTheRequestIsEnvoys(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		c, calls := serve(t, overTLS, wait)
		s := Open(t.Context(), c)
		call := eventually.Get(t, "the call", calls)
		// That is:
		//   node { id: "web-1-sidecar-proxy" cluster: "web" metadata { fields { … } × 3 } }
		//   type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster"
		want := "\x0a\x76" + "\x0a\x13web-1-sidecar-proxy" + "\x12\x03web" + "\x1a\x5a" +
			"\x0a\x16\x0a\x09namespace\x12\x09\x1a\x07default" +
			"\x0a\x16\x0a\x09partition\x12\x09\x1a\x07default" +
			"\x0a\x28\x0a\x09node_name\x12\x1b\x1a\x19arn:aws:ecs:r:1:cluster/c" +
			"\x12\x33type.googleapis.com/envoy.config.cluster.v3.Cluster"
		if got := string(call.message); got != want {
			t.Errorf("request\n%q, want\n%q", got, want)
		}
		h := call.header
		if call.proto != "HTTP/2.0" || h.Get("Content-Type") != "application/grpc" || h.Get("Te") != "trailers" || h.Get("X-Consul-Token") != "s3cret" ||
			call.path != "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources" {
			t.Errorf("%s %s %v", call.proto, call.path, h)
		}
		eventually.Get(t, "the answer is noted", s.Answered())
		s.Close()
		s.Close()
		eventually.Get(t, "the server sees the end", call.gone)
		if err := s.Err(); err != nil {
			t.Errorf("closed: %v", err)
		}
	}
}

func TestWhyItEnds(t *testing.T) {
	refusal := func(code int, message string, full bool) func(error) bool {
		return func(err error) bool {
			r, ok := errors.AsType[*Refusal](err)
			return ok && r.Code == code && r.Message == message && r.Full() == full
		}
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	says := func(want string) func(error) bool {
		return func(err error) bool { return err != nil && strings.Contains(err.Error(), want) }
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(io.ErrShortWrite)
	for what, c := range map[string]struct {
		answer   http.HandlerFunc
		ctx      context.Context
		change   func(*Config)
		answered bool
		is       func(error) bool
	}{
		"full":    {answer: status("8", "this server has too many xDS streams open, please try another"), is: refusal(8, "this server has too many xDS streams open, please try another", true)},
		"refused": {answer: status("16", "unauthenticated: 100%25 not"), is: refusal(16, "unauthenticated: 100% not", false)},
		"ended after an answer": {answered: true, is: refusal(8, "draining", true), answer: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte{0, 0, 0, 0, 0})
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "8")
			w.Header().Set(http.TrailerPrefix+"Grpc-Message", "draining")
		}},
		"no status":  {answer: func(http.ResponseWriter, *http.Request) {}, is: says("without a status")},
		"no gRPC":    {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, is: says("404")},
		"broken off": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, is: says("stream error")},
		"the limit":  {answer: wait, change: func(c *Config) { c.Limit = 1 }, is: is(ErrLimit)},
		"ctx":        {answer: wait, ctx: stopped, is: is(io.ErrShortWrite)},
		"nobody":     {answer: wait, change: func(c *Config) { c.Address = unused(t) }, is: says("refused")},
	} {
		t.Run(what, func(t *testing.T) {
			config, _ := serve(t, false, c.answer)
			if c.change != nil {
				c.change(&config)
			}
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx
			}
			s := Open(ctx, config)
			eventually.Get(t, "the end", s.Done())
			if err := s.Err(); !c.is(err) {
				t.Errorf("ended with %v", err)
			}
			answered := false
			select {
			case <-s.Answered():
				answered = true
			default:
			}
			if answered != c.answered {
				t.Errorf("answered: %v", answered)
			}
			s.Close() // which changes nothing
		})
	}
}

// A server whose certificate has another name, or another CA, gets no token.
func TestTheServerIsVerified(t *testing.T) {
	for name, change := range map[string]func(*tls.Config){
		"name": func(c *tls.Config) { c.ServerName = "server.dc1.consul" },
		"CA":   func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
	} {
		c, calls := serve(t, true, wait)
		change(c.TLS)
		if err := Open(t.Context(), c).Err(); err == nil || !strings.Contains(err.Error(), "x509") {
			t.Errorf("%s: %v", name, err)
		}
		select {
		case call := <-calls:
			t.Errorf("%s: it was called: %v", name, call.header)
		default:
		}
	}
}

// Consul 1.20 agrees on no protocol in the handshake, and speaks HTTP/2.
func TestAServerThatAgreesOnNoProtocol(t *testing.T) {
	c, calls := serve(t, false, wait)
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secured := tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates})
	defer secured.Close()
	go func() {
		for { // to the server without TLS
			conn, err := secured.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", c.Address)
			if err != nil {
				t.Error(err)
				return
			}
			go func() { defer behind.Close(); _, _ = io.Copy(behind, conn) }()
			go func() { defer conn.Close(); _, _ = io.Copy(conn, behind) }()
		}
	}()
	to := c
	to.Address, to.TLS = l.Addr().String(), &tls.Config{RootCAs: x509.NewCertPool()}
	to.TLS.RootCAs.AddCert(certified.Certificate())
	s := Open(t.Context(), to)
	defer s.Close()
	eventually.Get(t, "an answer", s.Answered())
	if call := <-calls; call.proto != "HTTP/2.0" || call.header.Get("X-Consul-Token") != c.Token {
		t.Errorf("%+v", call)
	}
}

// However long a caller wants it, and however much a server sends, it ends.
func TestTheLimitHasALimit(t *testing.T) {
	c, _ := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<16))
		}
	})
	c.Limit = 1000 * MaxLimit
	s := Open(t.Context(), c)
	eventually.Get(t, "the end", s.Done())
	if err := s.Err(); !errors.Is(err, ErrLimit) {
		t.Errorf("ended with %v", err)
	}
}

// A connection that ends is not made again.
func TestItIsTriedOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{}, 8)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- struct{}{}
			conn.Close()
		}
	}()
	if err := Open(t.Context(), Config{Address: l.Addr().String()}).Err(); err == nil || errors.Is(err, ErrLimit) {
		t.Errorf("ended with %v", err)
	}
	l.Close()
	n := 0
	for range accepted {
		n++
	}
	if n != 1 {
		t.Errorf("%d connections", n)
	}
}

func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
