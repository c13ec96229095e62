// Package warmup opens the stream that has a Consul server make a proxy's configuration before
// the proxy's Envoy asks for it. A server makes it when somebody asks, and lets the one who asked
// first wait for 200 ms. Envoy, which starts in that time, is sent at once what is there already.
//
// It knows one request of Envoy's protocol (delta ADS over gRPC), and reads no answer. It does not
// know when Envoy is ready, or what to do where a server refuses.
package warmup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Config is a stream with Envoy's identity: the same as in its bootstrap document.
type Config struct {
	Address string      // of the server that Envoy goes to first, "IP:PORT"
	TLS     *tls.Config // nil = plaintext; ServerName "" = the IP of Address

	NodeID    string // node.id: the proxy's ID
	Cluster   string // node.cluster: the service
	NodeName  string // of the node that the proxy is registered on
	Namespace string // "" = default
	Partition string // "" = default
	Token     string // ACL token; "" = none

	Limit time.Duration // how long it may be open; 0 = MaxLimit, which is also the most
}

// MaxLimit is so short because a server has room for few streams more than it has proxies: one
// that is left open keeps an Envoy out.
const MaxLimit = time.Second

// ErrLimit is that a stream was open for as long as it may be.
var ErrLimit = errors.New("open for as long as it may be")

var (
	errClosed  = errors.New("closed")
	errDropped = errors.New("the server closed the connection before it answered")
)

// Refusal is that the server has ended the stream, by a status of gRPC.
type Refusal struct {
	Code    int
	Message string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the server ended the stream: %d, %s", r.Code, r.Message)
}

// Full says that the server has no room for the stream (RESOURCE_EXHAUSTED).
func (r *Refusal) Full() bool { return r.Code == 8 }

// Stream is one stream, which is opened once and never again.
type Stream struct {
	cancel   context.CancelCauseFunc
	answered chan struct{} // closed by read
	done     chan struct{} // closed by run
	err      error
}

// Open begins to open a stream. It ends by itself: Limit after now at the latest, with ctx, or
// when the server ends it.
func Open(ctx context.Context, c Config) *Stream {
	s := &Stream{answered: make(chan struct{}), done: make(chan struct{})}
	ctx, s.cancel = context.WithCancelCause(ctx)
	go s.run(ctx, c)
	return s
}

// Close ends the stream, and returns when it has ended. It may be called any number of times.
func (s *Stream) Close() {
	s.cancel(errClosed)
	<-s.done
}

// Answered is closed when the server has sent this stream something, by when Envoy may be long up.
func (s *Stream) Answered() <-chan struct{} { return s.answered }

// Done is closed when the stream has ended, and its connection with it.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Err waits for that, and is why: nil for Close, ErrLimit, the cause of ctx, a *Refusal, or what
// came of the connection.
func (s *Stream) Err() error { <-s.done; return s.err }

func (s *Stream) run(ctx context.Context, c Config) {
	defer close(s.done)
	limit := MaxLimit
	if c.Limit > 0 {
		limit = min(c.Limit, MaxLimit)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrLimit)
	defer s.cancel(errClosed)
	defer cancel()
	s.err = s.exchange(ctx, c)
	if _, refused := errors.AsType[*Refusal](s.err); !refused && ctx.Err() != nil {
		s.err = context.Cause(ctx) // and not what an ended stream looks like
	}
	if errors.Is(s.err, errClosed) {
		s.err = nil
	}
}

func (s *Stream) exchange(ctx context.Context, c Config) error {
	conn, err := connect(ctx, c)
	if err != nil {
		return err
	}
	defer conn.Close() // with it ends whatever HTTP has started
	only := make(chan net.Conn, 1)
	only <- conn
	close(only) // there is one connection, so nothing is tried twice
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if conn := <-only; conn != nil {
				return conn, nil
			}
			return nil, errDropped // HTTP would ask again
		}}
	// By prior knowledge: what encrypts is below it.
	transport.Protocols.SetUnencryptedHTTP2(true)
	open, _ := io.Pipe() // the request goes on, with nothing more, until HTTP or we have enough
	// HTTP looks at ctx again when the request has ended.
	defer context.AfterFunc(ctx, func() { _ = open.Close() })()
	defer open.Close()
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(request(c)), open), open}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Address+"/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", body)
	if err != nil {
		return err
	}
	r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "X-Consul-Token": {c.Token}}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return s.read(answer)
}

// connect is the connection, over TLS where that is asked for. Consul's server up to 1.20 does not
// agree on a protocol in the handshake, and speaks HTTP/2 all the same.
func connect(ctx context.Context, c Config) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.Address)
	if err != nil || c.TLS == nil {
		return conn, err
	}
	settings := c.TLS.Clone()
	settings.NextProtos = []string{"h2"}
	if settings.ServerName == "" {
		settings.ServerName, _, _ = net.SplitHostPort(c.Address)
	}
	secured := tls.Client(conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// read drops what the server sends, and tells how it ends.
func (s *Stream) read(answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered with HTTP status %d", answer.StatusCode)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(answer.Body, first); err == nil {
		close(s.answered)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	status := answer.Trailer
	if answer.Header.Get("Grpc-Status") != "" { // it had nothing else to say
		status = answer.Header
	}
	code, err := strconv.Atoi(status.Get("Grpc-Status"))
	if err != nil {
		return errors.New("the server ended the stream without a status")
	}
	text, _ := url.PathUnescape(status.Get("Grpc-Message")) // "" where it is no text
	return &Refusal{Code: code, Message: text[:min(len(text), 500)]}
}

// request is the first message of a DeltaAggregatedResources call: all clusters are subscribed to.
func request(c Config) []byte {
	var metadata []byte
	for _, m := range [][2]string{{"namespace", cmp.Or(c.Namespace, "default")}, {"partition", cmp.Or(c.Partition, "default")}, {"node_name", c.NodeName}} {
		value := field(nil, 3, m[1])                          // google.protobuf.Value.string_value
		entry := field(field(nil, 1, m[0]), 2, string(value)) // one of Struct.fields
		metadata = field(metadata, 1, string(entry))
	}
	node := field(field(field(nil, 1, c.NodeID), 2, c.Cluster), 3, string(metadata))
	message := field(field(nil, 1, string(node)), 2, "type.googleapis.com/envoy.config.cluster.v3.Cluster")
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) // 0: not compressed
	return append(frame, message...)
}

// field appends a field of protobuf that has a length: a text, or a message.
func field(to []byte, number int, content string) []byte {
	to = append(to, byte(number<<3|2))
	to = binary.AppendUvarint(to, uint64(len(content)))
	return append(to, content...)
}
