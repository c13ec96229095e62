package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"meshtask/envoy/bootstrap"
)

const (
	callLimit  = time.Second // of one admin call; Envoy answers in a millisecond
	bodyLimit  = 4 << 20     // of an answer; a configuration dump is the largest
	readBuffer = 64 << 10    // of a connection: statistics are 13 MB with 100 upstreams
)

// Admin talks to one Envoy's admin interface over one kept-alive connection.
// Every call ends within a second and checks the status. Safe for concurrent use.
type Admin struct{ client *http.Client }

// NewAdmin takes "IP:PORT" or the path of a unix socket. Nothing is dialed yet.
func NewAdmin(address string) *Admin {
	network := "tcp"
	if bootstrap.IsSocket(address) {
		network, address = "unix", bootstrap.SocketPath(address)
	}
	return &Admin{client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
		MaxIdleConns:       1,
		ReadBufferSize:     readBuffer,
		DisableCompression: true,
	}}}
}

// Close closes the connection.
func (a *Admin) Close() { a.client.CloseIdleConnections() }

// Ready is Envoy's own state: LIVE, DRAINING, INITIALIZING or PRE_INITIALIZING.
// LIVE does not say that a listener is bound.
func (a *Admin) Ready(ctx context.Context) (state string, err error) {
	body, err := a.call(ctx, http.MethodGet, "/ready", http.StatusOK, http.StatusServiceUnavailable)
	return strings.TrimSpace(string(body)), err
}

// Listener is a listener that Envoy has bound.
type Listener struct {
	Name    string
	Address netip.AddrPort // zero when it is no IP socket
}

// Listeners lists what is bound, static listeners included.
func (a *Admin) Listeners(ctx context.Context) ([]Listener, error) {
	var answer struct {
		Statuses []struct {
			Name  string `json:"name"`
			Local struct {
				Socket struct {
					Address string `json:"address"`
					Port    uint16 `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := a.get(ctx, "/listeners?format=json", &answer); err != nil {
		return nil, err
	}
	var all []Listener
	for _, s := range answer.Statuses {
		l := Listener{Name: s.Name}
		if ip, err := netip.ParseAddr(s.Local.Socket.Address); err == nil {
			l.Address = netip.AddrPortFrom(ip, s.Local.Socket.Port)
		}
		all = append(all, l)
	}
	return all, nil
}

// Stats reads counters and gauges by their exact names. One that Envoy does not
// have is not in the answer: absent is never zero.
func (a *Admin) Stats(ctx context.Context, names ...string) (map[string]int64, error) {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return a.matching(ctx, "^("+strings.Join(quoted, "|")+")$")
}

// The gauges of what is in flight towards the app. Which of them Envoy has
// tells the protocol: every sidecar has the second, only an http one the first.
const (
	workHTTP  = "http.public_listener.downstream_rq"
	workTCP   = "cluster.local_app.upstream_cx"
	gaugeHTTP = workHTTP + active
	gaugeTCP  = workTCP + active

	active = "_active" // what is in flight
	total  = "_total"  // what has come, ever
)

// InFlight counts what has come in by a sidecar's public listener and has not ended:
// requests (protocol "http", also for http2, grpc and upgraded connections) or
// connections ("tcp").
func (a *Admin) InFlight(ctx context.Context) (n int64, protocol string, err error) {
	w, err := Sidecar().work(ctx, a, nil)
	return w.inFlight, w.protocol, err
}

// Version is the version of the running Envoy, such as "1.36.2".
func (a *Admin) Version(ctx context.Context) (string, error) {
	var answer struct {
		Version string `json:"version"`
	}
	if err := a.get(ctx, "/server_info", &answer); err != nil {
		return "", err
	}
	return parseVersion(answer.Version)
}

// Drain tells a sidecar's inbound clients to go away (Connection: close, GOAWAY) until Envoy
// ends; listeners stay open. It cannot be undone. Envoy has no such word for
// tcp clients.
func (a *Admin) Drain(ctx context.Context) error { return a.drain(ctx, Sidecar()) }

// drain tells the clients of a role.
func (a *Admin) drain(ctx context.Context, r Role) error {
	_, err := a.call(ctx, http.MethodPost, "/drain_listeners?"+r.drain, http.StatusOK)
	return err
}

// Quit asks Envoy to exit at once; it does in about 10 ms.
func (a *Admin) Quit(ctx context.Context) error {
	_, err := a.call(ctx, http.MethodPost, "/quitquitquit", http.StatusOK)
	return err
}

func (a *Admin) get(ctx context.Context, path string, into any) error {
	body, err := a.call(ctx, http.MethodGet, path, http.StatusOK)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("envoy admin %s: answer is not the JSON expected: %w", path, err)
	}
	return nil
}

func (a *Admin) call(ctx context.Context, method, path string, want ...int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	answer, err := a.send(ctx, method, path, bodyLimit)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("envoy admin %s: %w", path, err)
	}
	if slices.Contains(want, answer.StatusCode) {
		return body, nil
	}
	return nil, fmt.Errorf("envoy admin %s %s: status %d: %s", method, path, answer.StatusCode, firstLine(body))
}

// send makes a call without a time limit of its own. Reading more than limit bytes of its answer
// is an error.
func (a *Admin) send(ctx context.Context, method, path string, limit int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://envoy"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("envoy admin: %w", err)
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, limit)
	return answer, nil
}

// isGone tells that no process serves the admin interface any more.
func isGone(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return clip(line)
}

// clip keeps texts of others to the size of a log line.
func clip(text string) string {
	const maxText = 300
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
