package parts

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/internal/event"
	"meshtask/supervisor"
)

// envoyBed is a real server, which is the agent as well, with service web-1 and
// its sidecar, and what is needed to run a real Envoy for it. Clients come with
// a leaf certificate of another service, as another sidecar would.
type envoyBed struct {
	t       *testing.T
	server  *harness.Server
	sup     *supervisor.Supervisor
	dir     string
	listen  string // the public listener
	service string // where the app is

	mu    sync.Mutex
	notes []string
	lines []string
}

const envoyProxyID = "web-1-sidecar-proxy"

func newEnvoyBed(t *testing.T) *envoyBed { t.Helper(); return newEnvoyBedOn(t, harness.ServerConfig{}) }

func newEnvoyBedOn(t *testing.T, config harness.ServerConfig) *envoyBed {
	t.Helper()
	return newEnvoyBedAt(t, harness.StartServer(t, config))
}

func newEnvoyBedAt(t *testing.T, server *harness.Server) *envoyBed {
	t.Helper()
	b := &envoyBed{t: t, server: server, listen: server.Address + ":20000", service: server.Address + ":8080"}
	var err error
	if b.dir, err = os.MkdirTemp("", "e2e"); err != nil { // a socket's path is short
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(b.dir) })
	// After the harness's children, so that its reaper has gone when they end.
	chld := make(chan os.Signal, 16)
	signal.Notify(chld, syscall.SIGCHLD)
	if b.sup, err = supervisor.New(chld, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.sup.Close(); signal.Stop(chld) })
	return b
}

// register registers the service and its sidecar with this proxy.config.
func (b *envoyBed) register(config map[string]any) {
	b.t.Helper()
	with := map[string]any{"bind_address": b.server.Address}
	maps.Copy(with, config)
	for _, r := range []*api.AgentServiceRegistration{
		{ID: "web-1", Name: "web", Port: 8080},
		{ID: envoyProxyID, Name: "web-sidecar-proxy", Kind: api.ServiceKindConnectProxy, Port: 20000, Proxy: &api.AgentServiceConnectProxyConfig{
			DestinationServiceName: "web", DestinationServiceID: "web-1", LocalServiceAddress: b.server.Address, LocalServicePort: 8080, Config: with,
		}},
	} {
		if err := b.server.API.Agent().ServiceRegister(r); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *envoyBed) registered(ctx context.Context) (bootstrap.Registered, error) {
	s, _, err := b.server.API.Agent().Service(envoyProxyID, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return bootstrap.Registered{}, err
	}
	return bootstrap.Registered{
		Service: s.Proxy.DestinationServiceName, Namespace: s.Namespace, Partition: s.Partition, Datacenter: s.Datacenter, Config: s.Proxy.Config,
	}, nil
}

func (b *envoyBed) socket() string { return filepath.Join(b.dir, "envoy-admin.sock") }

func (b *envoyBed) bootstrap(change func(*envoy.Bootstrap)) string {
	b.t.Helper()
	w := envoy.Bootstrap{
		Settings:   bootstrap.Settings{ProxyID: envoyProxyID, XDS: b.server.Address + ":8502", Admin: b.socket()},
		File:       filepath.Join(b.dir, "envoy-bootstrap.json"),
		Put:        writer(b.dir),
		Registered: b.registered,
		Command:    envoy.Command{Path: harness.Consul(b.t), HTTP: b.server.HTTP, Start: b.sup},
	}
	if change != nil {
		change(&w)
	}
	if err := w.Write(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return w.File
}

// envoyLife is one Run of the unit with the real Envoy.
type envoyLife struct {
	stop, ready, done chan struct{}
	cancel            context.CancelFunc
	err               error
	began             time.Time
	upIn              time.Duration
}

func (b *envoyBed) report(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.(type) {
	case event.Waiting, event.WaitOver:
	default:
		b.notes = append(b.notes, said(e))
	}
}

func (b *envoyBed) start(change func(*envoy.Config)) *envoyLife {
	b.t.Helper()
	c := envoy.Config{
		Path: harness.Envoy(b.t), Bootstrap: filepath.Join(b.dir, "envoy-bootstrap.json"), Admin: b.socket(), Listen: b.listen,
		Concurrency: 1, Start: b.sup, ReadyTimeout: time.Minute, Drain: 10 * time.Second,
		Report: b.report,
		Output: func(_ int, level hclog.Level, line string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.lines = append(b.lines, level.String()+" "+line)
		},
	}
	if change != nil {
		change(&c)
	}
	l := &envoyLife{stop: make(chan struct{}), ready: make(chan struct{}), done: make(chan struct{}), began: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() {
		defer close(l.done)
		l.err = envoy.NewProxy(c).Run(ctx, func() { l.upIn = time.Since(l.began); close(l.ready) }, l.stop)
	}()
	b.t.Cleanup(func() { cancel(); <-l.done })
	return l
}

func (b *envoyBed) wait(what string, c, orEnd <-chan struct{}) {
	b.t.Helper()
	select {
	case <-c:
	case <-orEnd:
		b.t.Fatalf("Envoy ended while waiting: %s\n%s", what, b.log())
	case <-time.After(time.Minute):
		b.t.Fatalf("not within a minute: %s\n%s", what, b.log())
	}
}

func (b *envoyBed) up(l *envoyLife) { b.t.Helper(); b.wait("ready", l.ready, l.done) }

// end stops the unit and returns how long that took.
func (b *envoyBed) end(l *envoyLife) time.Duration {
	b.t.Helper()
	began := time.Now()
	close(l.stop)
	b.wait("end", l.done, nil)
	return time.Since(began)
}

func (b *envoyBed) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(append(b.notes, b.lines...), "\n")
}

// tls is for clients of the public listener: they have the leaf of service
// "client", to which nothing is denied here.
func (b *envoyBed) tls() *tls.Config {
	b.t.Helper()
	leaf, _, err := b.server.API.Agent().ConnectCALeaf("client", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(leaf.CertPEM), []byte(leaf.PrivateKeyPEM))
	if err != nil {
		b.t.Fatal(err)
	}
	// The server's name is a SPIFFE ID, which crypto/tls cannot check; it is not under test.
	return &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}
}

func (b *envoyBed) http() *http.Client {
	config := b.tls()
	transport := &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", b.listen)
		},
	}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func (b *envoyBed) app(argv ...string) *harness.Process {
	b.t.Helper()
	p := harness.Start(b.t, "app", append([]string{harness.App(b.t), "--listen", b.service}, argv...), nil)
	harness.Eventually(b.t, time.Minute, "the app listens", func() error {
		c, err := net.Dial("tcp", b.service)
		if err == nil {
			c.Close()
		}
		return err
	})
	return p
}

func (b *envoyBed) protocol(p string) {
	b.server.Entry(b.t, &api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "web", Protocol: p})
}

func get(client *http.Client, path string) error {
	answer, err := client.Get("https://web" + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	return err
}

func jsonOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return doc
}
