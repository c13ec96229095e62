package parts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshtask/envoy"
	"meshtask/internal/event"
)

func TestEnvoyComesUpAndQuits(t *testing.T) {
	b := newEnvoyBed(t)
	b.protocol("http")
	b.register(nil)
	b.app()
	b.bootstrap(nil)
	client := b.http()
	for range 3 { // lives of one unit, as the restart decorator runs them
		l := b.start(nil)
		b.up(l)
		if err := get(client, "/"); err != nil {
			t.Errorf("a request right at ready: %v", err)
		}
		took := b.end(l)
		if l.err != nil {
			t.Errorf("end: %v", l.err)
		}
		t.Logf("ready after %v, ended in %v", l.upIn, took)
		client.CloseIdleConnections()
	}
	if log := b.log(); strings.Contains(log, "killed") || strings.Count(log, "step exit") != 3 || !strings.Contains(log, "status 0 ") {
		t.Errorf("notes:\n%s", log)
	}
	if !strings.Contains(b.log(), "warn main: ") {
		t.Errorf("no line of Envoy's with its level:\n%s", b.log())
	}
}

func TestEnvoyWithTheCommandsDocument(t *testing.T) {
	b := newEnvoyBed(t)
	b.register(map[string]any{"envoy_prometheus_bind_addr": b.server.Address + ":20200"})
	b.bootstrap(func(w *envoy.Bootstrap) { w.UseCommand = true })
	l := b.start(nil)
	b.up(l)
	// The metrics listener leads to the admin interface, which is a socket here.
	c, err := net.Dial("tcp", b.server.Address+":20200")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	head := make([]byte, 15)
	if _, err := c.Read(head); err != nil || !strings.HasSuffix(string(head), " 200 OK") {
		t.Errorf("metrics: %q, %v", head, err)
	}
	b.end(l)
}

// notReady runs Envoy until ReadyTimeout and returns what it says is missing.
func (b *envoyBed) notReady(timeout time.Duration, change func(*envoy.Config)) string {
	b.t.Helper()
	l := b.start(func(c *envoy.Config) {
		c.ReadyTimeout = timeout
		if change != nil {
			change(c)
		}
	})
	b.wait("end", l.done, l.ready)
	if l.err == nil {
		b.t.Fatal("no error")
	}
	b.t.Log(l.err)
	return l.err.Error()
}

// waitingFor runs Envoy until it is said to wait for this.
func (b *envoyBed) waitingFor(want string) {
	b.t.Helper()
	seen, all := make(chan struct{}), []string{}
	var once sync.Once
	l := b.start(func(c *envoy.Config) {
		c.Report = func(e event.Event) {
			w, ok := e.(event.Waiting)
			if !ok {
				return
			}
			all = append(all, w.Err+" ("+w.Fix+")")
			if strings.HasPrefix(w.Err, want) && w.Fix != "" && w.Code != "" {
				once.Do(func() { close(seen) })
			}
		}
	})
	select {
	case <-seen:
	case <-l.ready:
	case <-l.done:
	case <-time.After(30 * time.Second): // the agent is slow on a busy machine
	}
	b.end(l)
	if !slices.ContainsFunc(all, func(one string) bool { return strings.HasPrefix(one, want) }) {
		b.t.Errorf("never waited for %q, but for %q; end: %v", want, all, l.err)
	}
}

func TestEnvoyNotReadySaysWhy(t *testing.T) {
	b := newEnvoyBed(t)
	listener := func(filter string) map[string]any {
		return map[string]any{"envoy_public_listener_json": fmt.Sprintf(`{"@type":"type.googleapis.com/envoy.config.listener.v3.Listener","name":"public_listener:x",
			"address":{"socket_address":{"address":%q,"port_value":20000}},"filter_chains":[{"filters":[%s]}]}`, b.server.Address, filter)}
	}
	for name, c := range map[string]struct {
		config map[string]any
		change func(*envoy.Bootstrap)
		want   string
		tail   string
	}{
		"listener that Envoy refuses": {
			config: listener(`{"name":"tcp","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy","stat_prefix":"p","cluster":"c","idle_timeout":"-1s"}}`),
			want:   "a listener was refused by Envoy: public_listener:x: Invalid duration",
		},
		"listener that Consul cannot read": {
			config: map[string]any{"envoy_public_listener_json": `{"@type":"type.googleapis.com/envoy.config.listener.v3.Listener","drain_kind":1}`},
			want:   "the agent ends its xDS stream without an answer",
		},
		"cluster that Envoy refuses": {
			config: map[string]any{"envoy_local_cluster_json": `{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"local_app","connect_timeout":"-3s","type":"STATIC"}`},
			want:   "a cluster was refused by Envoy; its log says why",
			tail:   "v3.Cluster rejected: Invalid duration",
		},
		"unknown proxy": {
			change: func(w *envoy.Bootstrap) { w.ProxyID = "web-2-sidecar-proxy" },
			want:   "it is connected to the agent, which has sent no configuration",
		},
		"no agent": {
			change: func(w *envoy.Bootstrap) { w.XDS = b.server.Address + ":8599" },
			want:   "it cannot connect to the agent's gRPC port (xDS)",
		},
		"TLS to a plain port": {
			change: func(w *envoy.Bootstrap) { w.CA = caOf(b) },
			want:   "it cannot connect to the agent's gRPC port (xDS)",
		},
		"listener elsewhere": {
			config: map[string]any{"bind_port": 20009},
			want:   "it is live, but nothing listens on " + b.listen + "; bound are public_listener:" + b.server.Address + ":20009",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.register(c.config)
			b.bootstrap(c.change)
			b.waitingFor(c.want)
			if c.tail == "" {
				return
			}
			if got := b.notReady(5*time.Second, nil); !strings.HasPrefix(got, "envoy is not ready after 5s: "+c.want) || !strings.Contains(got, c.tail) {
				t.Errorf("got  %s\nwant %s ... %s", got, c.want, c.tail)
			}
		})
	}
}

func caOf(b *envoyBed) string {
	roots, _, err := b.server.API.Connect().CARoots(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return roots.Roots[0].RootCertPEM
}

func TestEnvoyBadBootstrapEndsAtOnce(t *testing.T) {
	b := newEnvoyBed(t)
	if err := os.WriteFile(b.dir+"/envoy-bootstrap.json", []byte(`{"admin":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.notReady(time.Minute, nil); !strings.Contains(got, "exited with 1; its last lines: ") {
		t.Error(got)
	}
	b.register(nil)
	b.bootstrap(nil)
	if got := b.notReady(time.Minute, func(c *envoy.Config) { c.ExtraArgs = []string{"--concurrency", "two"} }); !strings.Contains(got, "exited with 1") {
		t.Error(got)
	}
}

func TestEnvoyStopInEveryState(t *testing.T) {
	b := newEnvoyBed(t)
	b.register(nil)
	pid := func() (pid int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, n := range b.notes {
			fmt.Sscanf(n, "step exec name envoy pid %d", &pid)
		}
		return pid
	}
	well := func(what string, took time.Duration, l *envoyLife) {
		t.Helper()
		t.Logf("%s: %v", what, took)
		if l.err != nil {
			t.Errorf("%s: ended after %v with %v\n%s", what, took, l.err, b.log())
		}
	}
	b.bootstrap(nil)
	for _, pause := range []time.Duration{0, 10, 20, 30, 50, 80, 120, 160} { // ms into its start
		l := b.start(nil)
		timer := time.NewTimer(pause * time.Millisecond)
		select {
		case <-timer.C:
		case <-l.done:
		}
		well(fmt.Sprintf("stop %d ms after exec", pause), b.end(l), l)
	}
	l := b.start(nil)
	b.up(l)
	if err := syscall.Kill(pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	well("stopped process, grace 3 s", b.end(l), l)
	if !strings.Contains(b.log(), "killed") {
		t.Errorf("notes:\n%s", b.log())
	}
	l = b.start(nil)
	b.up(l)
	began := time.Now()
	l.cancel()
	b.wait("end", l.done, nil)
	well("ctx done", time.Since(began), l)
}

func TestEnvoyDiesUnasked(t *testing.T) {
	b := newEnvoyBed(t)
	b.register(nil)
	b.bootstrap(nil)
	for signal, want := range map[syscall.Signal]string{
		syscall.SIGTERM: "envoy ended without being asked to: envoy (pid %d) exited with 0",
		syscall.SIGKILL: "envoy ended without being asked to: envoy (pid %d) was ended by SIGKILL",
	} {
		pid := 0
		l := b.start(func(c *envoy.Config) {
			c.Report = func(e event.Event) {
				if exec, ok := e.(event.Exec); ok {
					pid = exec.PID
				}
			}
		})
		b.up(l)
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
		b.wait("end", l.done, nil)
		if l.err == nil || !strings.HasPrefix(l.err.Error(), fmt.Sprintf(want, pid)) {
			t.Errorf("%v: %v", signal, l.err)
		}
	}
}

// A second Envoy would share the port silently, so it is not started.
func TestEnvoySecondOneIsRefused(t *testing.T) {
	b := newEnvoyBed(t)
	b.register(nil)
	b.bootstrap(nil)
	first := b.start(nil)
	b.up(first)
	second := b.start(nil)
	b.wait("end", second.done, second.ready)
	if second.err == nil || !strings.Contains(second.err.Error(), "is in use already, by pid ") || !strings.Contains(second.err.Error(), "(envoy)") {
		t.Errorf("%v", second.err)
	}
	b.end(first)
	if first.err != nil {
		t.Errorf("the first: %v", first.err)
	}
}

func TestEnvoyVersionIsJudgedFromTheRunningOne(t *testing.T) {
	b := newEnvoyBed(t)
	b.register(nil)
	b.bootstrap(nil)
	l := b.start(nil)
	b.up(l)
	admin := envoy.NewAdmin(b.socket())
	defer admin.Close()
	version, err := admin.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.end(l)
	for listed, want := range map[string]bool{version: true, "1.2.3": false} {
		l = b.start(func(c *envoy.Config) {
			c.StrictVersion = true
			c.Server = func(context.Context) envoy.Server { return envoy.Server{Version: "9.9.9", Envoys: []string{listed}} }
		})
		if want {
			b.up(l)
			b.end(l)
			continue
		}
		b.wait("end", l.done, l.ready)
		if misfit, ok := errors.AsType[*envoy.VersionError](l.err); !ok || misfit.Envoy != version {
			t.Errorf("%s: %v", version, l.err)
		}
	}
}
