package envoy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/testbed/envoyfake"
	"meshtask/internal/testbed/eventually"
)

// What of the drain depends on the role: the flags of the call, and which gauges count.
func TestDrainByRole(t *testing.T) {
	bound := []envoyfake.Listener{{Name: "http:10.0.0.1:8080", Address: "10.0.0.1:8080"}, {Name: "tcp:10.0.0.1:9090", Address: "10.0.0.1:9090"}}
	stats := map[string]any{
		"http.public_listener.downstream_rq_active": 1, "cluster.local_app.upstream_cx_active": 2,
		"listener.10.0.0.1_8080.downstream_cx_active": 4, "listener.10.0.0.1_9090.downstream_cx_active": 8, "listener.10.0.0.1_9090.worker_0.downstream_cx_active": 8,
		"listener.127.0.0.1_19001.downstream_cx_active": 16, "http.admin.downstream_rq_active": 32,
		"http.ingress_upstream_8080.downstream_rq_active": 64,
	}
	// A terminating gateway's: two connections with a request, three that a sidecar has not ended yet.
	served := map[string]any{
		"http.upstream.ext.default.default.dc1.downstream_rq_active": 2, "http.upstream.ext.default.default.dc1.downstream_cx_active": 5,
		"listener.10.0.0.1_8080.downstream_cx_active": 9, "tcp.upstream.db.default.default.dc1.downstream_cx_total": 4,
	}
	idle := map[string]any{
		"http.upstream.ext.default.default.dc1.downstream_rq_active": 0, "http.upstream.ext.default.default.dc1.downstream_cx_active": 7,
		"listener.10.0.0.1_8080.downstream_cx_active": 7,
	}
	for name, c := range map[string]struct {
		role     Role
		sent     []envoyfake.Listener
		stats    map[string]any
		query    string
		n        int64
		protocol string
	}{
		"zero":                   {Role{}, nil, stats, "inboundonly&graceful&skip_exit", 1, "http"},
		"sidecar":                {Sidecar(), nil, stats, "inboundonly&graceful&skip_exit", 1, "http"},
		"mesh":                   {MeshGateway(), bound, stats, "graceful&skip_exit", 12, "tcp"},
		"terminating, tcp":       {TerminatingGateway(), bound[:1], stats, "graceful&skip_exit", 4, "tcp"},
		"terminating, both":      {TerminatingGateway(), bound[:1], served, "graceful&skip_exit", 6, "http"},
		"terminating, idle":      {TerminatingGateway(), bound[:1], idle, "graceful&skip_exit", 0, "http"},
		"terminating, no config": {TerminatingGateway(), nil, idle, "graceful&skip_exit", 0, "http"},
		"API":                    {APIGateway(), bound[:1], stats, "graceful&skip_exit", 64, "http"},
		"API, tcp beside":        {APIGateway(), bound, stats, "graceful&skip_exit", 72, "http"},
		"nothing to serve":       {APIGateway(), nil, stats, "graceful&skip_exit", 0, "http"},
	} {
		f := envoyfake.New()
		f.Stats, f.Sent = gauges(c.stats), func() []envoyfake.Listener { return c.sent }
		socket, _ := serve(t, f)
		why := "maximum"
		if c.n == 0 {
			why = "empty"
		}
		d, _ := drained(t, socket, t.Context(), func(k *InboundConfig) {
			k.Role, k.Max = c.role, func() time.Duration { return 100 * time.Millisecond }
		})
		check(t, d, c.n, c.n, c.protocol, why)
		if calls := f.Calls(drainCall); len(calls) != 1 || calls[0].Query != c.query {
			t.Errorf("%s: drain calls %v", name, calls)
		}
	}
}

// The names of gauges are those of Envoy, whatever the address.
func TestStatisticsOfListeners(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:8443": "listener.127.0.0.1_8443.downstream_cx_active", "0.0.0.0:1": "listener.0.0.0.0_1.downstream_cx_active", "[::]:8443": "listener.[::]_8443.downstream_cx_active"} {
		f := envoyfake.New()
		f.Sent = func() []envoyfake.Listener {
			return []envoyfake.Listener{{Name: "default:" + address, Address: address}}
		}
		come := strings.TrimSuffix(want, "active") + "total"
		f.Stats = gauges(map[string]any{want: 3, come: 5})
		socket, _ := serve(t, f)
		admin := NewAdmin(socket)
		sent, err := admin.Sent(t.Context())
		if err != nil || len(sent) != 1 {
			t.Fatalf("%v %v", sent, err)
		}
		if got, err := MeshGateway().work(t.Context(), admin, sent); got != (work{"tcp", 3, 5}) || err != nil {
			t.Errorf("%s: %+v %v", address, got, err)
		}
	}
}

// A gateway is ready when everything that was sent is bound, and not when nothing was.
func TestReadyByRole(t *testing.T) {
	one, cold := envoyfake.Listener{Name: "default:127.0.0.2:8443", Address: "127.0.0.2:8443"}, envoyfake.Listener{Name: "http:127.0.0.2:8080"}
	for name, c := range map[string]struct {
		sent []envoyfake.Listener
		at   string
	}{"nothing": {nil, ""}, "one": {[]envoyfake.Listener{one}, "127.0.0.2:8443"}, "one of two": {[]envoyfake.Listener{one, cold}, ""}} {
		f := envoyfake.New()
		f.Sent = func() []envoyfake.Listener { return c.sent }
		socket, _ := serve(t, f)
		if at := APIGateway().ready(t.Context(), NewAdmin(socket), ""); at != c.at {
			t.Errorf("%s: %q", name, at)
		}
	}
}

// While something outside is missing an API gateway waits, longer than it may take to get ready;
// another kind does not.
func TestGatewayWaits(t *testing.T) {
	route := filepath.Join(t.TempDir(), "route")
	lacks := func(context.Context) (Finding, bool) {
		_, err := os.Stat(route)
		if err != nil {
			return Finding{Code: event.GatewayNoRoute, Seen: "no route bound"}, true
		}
		return Finding{}, false
	}
	// so short that it would be over when the first look has been
	gateway := func(r Role) func(*Config) {
		return func(c *Config) { c.Role, c.Listen, c.Lacks, c.ReadyTimeout = r, "", lacks, diagnoseEach*3/2 }
	}
	t.Run("mesh", func(t *testing.T) {
		other := newLife(t, "sent="+route, gateway(MeshGateway()))
		other.run(t)
		eventually.Get(t, "the end of the one that does not wait", other.done)
		if c := event.CauseOf(other.err); c == nil || c.Code != event.GatewayNoRoute || !strings.Contains(other.err.Error(), "no route bound") {
			t.Errorf("%v", other.err)
		}
	})
	l := newLife(t, "sent="+route, gateway(APIGateway()))
	l.run(t)
	<-time.After(diagnoseEach * 2) // more than it may take to get ready
	select {
	case <-l.ready:
		t.Error("ready without a listener")
	case <-l.done:
		t.Errorf("it ended: %v", l.err)
	default:
	}
	if err := os.WriteFile(route, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually.Get(t, "ready", l.ready)
	if !l.has("step listener") || len(l.codes) == 0 || l.codes[0] != event.GatewayNoRoute {
		t.Errorf("%v %v", l.notes, l.codes)
	}
	close(l.stop)
	eventually.Get(t, "end", l.done)
}
