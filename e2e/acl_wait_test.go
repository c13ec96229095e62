package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// What would send the token in the clear, or work for nobody, is refused before
// anything is called.
func TestControllerRefusesSettings(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	ca := "CONSUL_CACERT_PEM=-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"
	for name, c := range map[string]struct {
		flags, env []string
		says       string
	}{
		"a CA and plain http": {nil, []string{ca}, "is plain http, though CONSUL_CACERT_PEM gives a CA: write https://"},
		"a partition alone":   {[]string{"--partition", "eu"}, nil, `--partition: "eu" needs --partitions-enabled`},
	} {
		tap := newConsulTap(t, b.consul.HTTP)
		argv, env := b.command(t, strings.TrimPrefix(tap.URL, "http://"), "prod", c.flags...)
		p := harness.Start(t, name, argv, append(env, c.env...))
		ended(t, p, time.Minute, 200)
		if !strings.Contains(p.Output(), c.says) {
			t.Errorf("%s: it does not say %q:\n%s", name, c.says, p.Output())
		}
		if n := tap.count(nil); n != 0 {
			t.Errorf("%s: %d calls of Consul were made", name, n)
		}
	}
}

// While Consul, or AWS, does not answer, the controller says for whom it waits, how
// long, why and what to do, every five seconds, and works only once both answer.
func TestControllerSaysForWhomItWaits(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.mesh("prod", "web")
	var aws, consul atomic.Bool
	b.cloud.Intercept(func(awsfake.Call) awsfake.Fault {
		if !aws.Load() {
			return awsfake.Fault{Code: "AccessDeniedException", Message: "no identity-based policy allows the action"}
		}
		return awsfake.Fault{}
	})
	tap := newConsulTap(t, b.consul.HTTP)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !consul.Load() {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		}
		tap.ServeHTTP(w, r)
	}))
	t.Cleanup(door.Close)
	argv, env := b.command(t, door.URL, "prod", "--interval", "300ms", "--ha")
	p := harness.Start(t, "controller", argv, env)
	logged(t, p, `waiting: unit=acl-controller for="Consul (the leader lock)"`)
	logged(t, p, "No cluster leader")
	logged(t, p, "Check CONSUL_HTTP_ADDR")
	consul.Store(true)
	logged(t, p, "waiting: unit=acl-controller for=ECS since=")
	logged(t, p, "Grant ecs:ListTasks on *")
	if strings.Contains(p.Output(), "acl controller working") {
		t.Errorf("it says that it works before it does:\n%s", p.Output())
	}
	aws.Store(true)
	logged(t, p, "acl controller working")
	b.agreed(t, time.Minute, aclPrefix+"-web")
	stopped(t, p)
}

// Connections that say nothing, or nothing more, are ended, and many of them keep
// nobody out for good.
func TestControllerEndsIdleConnections(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.mesh("prod", "web")
	listen := harness.Address(t) + ":9903"
	p := b.start(t, "controller", "prod", "--listen", listen)
	harness.Eventually(t, time.Minute, "health", func() error { return controllerSays(listen, "/health", "working") })
	var idle []net.Conn
	for i := range 200 { // more than are served at once
		c, err := net.Dial("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			if _, err := io.WriteString(c, "GET /health HTTP/1.1\r\nHost: "+listen+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		idle = append(idle, c)
	}
	for i, c := range idle {
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("connection %d is not ended: %v", i, err)
		}
	}
	if err := controllerSays(listen, "/health", "working"); err != nil {
		t.Error(err)
	}
	stopped(t, p)
}
