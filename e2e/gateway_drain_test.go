package e2e

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A tcp client stays: it is waited for as long as was said, cut, and counted.
func TestGatewayCutsTCPAndCounts(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	external(t, server, "tgw", "--tcp")
	web := callsExternal(t, server)
	tgw := gateway(t, server, "tgw-1", map[string]any{"kind": "terminating-gateway", "name": "tgw"}, agentless(server), func(doc map[string]any) {
		doc["shutdown"] = map[string]any{"drain": map[string]any{"max": "1s"}}
	})
	for _, m := range []member{web, tgw} {
		m.up(t)
	}
	conn := echoes(t, web.address+":9191")
	defer conn.Close()
	tgw.term(t)
	if s := tgw.ended(t, 0); s.Drain.Start != 1 || s.Drain.End != 1 || s.Deregistered != "verified" {
		t.Errorf("%+v", s)
	}
	tgw.says(t, "drain-cut")
}

// A sidecar that does not hear that a terminating gateway has gone keeps its connections: those
// without a request do not hold the stop, and are not called cut.
func TestGatewayLeavesIdleConnections(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	external(t, server, "tgw")
	web := callsExternal(t, server)
	tgw := gateway(t, server, "tgw-1", map[string]any{"kind": "terminating-gateway", "name": "tgw"}, agentless(server))
	for _, m := range []member{web, tgw} {
		m.up(t)
	}
	answers(t, "http://"+web.address+":9191/", 200, "hello")
	deaf := web.pid(t, "envoy", 1)
	freeze(t, deaf)
	defer syscall.Kill(deaf, syscall.SIGCONT)
	tgw.term(t)
	if s := tgw.ended(t, 0); s.Drain.Start != 0 || s.Drain.End != 0 || s.Deregistered != "verified" {
		t.Errorf("%+v", s)
	}
}

// echoes is a connection by which a line has come back.
func echoes(t *testing.T, address string) net.Conn {
	t.Helper()
	var conn net.Conn
	harness.Eventually(t, soon, "an echo from "+address, func() (err error) {
		if conn, err = net.Dial("tcp", address); err != nil {
			return err
		}
		if err = conn.SetDeadline(time.Now().Add(soon)); err == nil {
			if _, err = fmt.Fprintln(conn, "x"); err == nil {
				_, err = conn.Read(make([]byte, 64))
			}
		}
		if err != nil {
			_ = conn.Close()
		}
		return err
	})
	return conn
}
