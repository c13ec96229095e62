package dev

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestServerHost(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "127.0.0.1:8500": "127.0.0.1", "127.0.0.1:8301": "127.0.0.1", "http://127.0.0.1:8500": "127.0.0.1",
		"consul.local": "consul.local", "consul.local:8500": "consul.local", "localhost": "127.0.0.1", "localhost:8500": "127.0.0.1",
		"::1": "::1", "[::1]": "::1", "[::1]:8500": "::1",
	} {
		if got, err := ServerHost(text); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"127.0.0.1:9500":         `write 127.0.0.1 alone, or join a server with other ports by {"consulAgent": {"retryJoin": ["127.0.0.1:GOSSIPPORT"]}}`,
		"https://127.0.0.1:8501": "names port 8501",
		":8500":                  "must be the host of a Consul server",
		"":                       "must be the host",
		"a b":                    "must be the host",
		"provider=aws tag=x":     "must be the host",
	} {
		if got, err := ServerHost(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v; want %s", text, got, err, says)
		}
	}
}

// A server of this machine is reached from loopback, at whatever address; another one is not.
func TestReached(t *testing.T) {
	servers := map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "203.0.113.9": false, "2001:db8::9": false, "no-such-name.invalid": true}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			servers[p.Addr().String()] = true
		}
	}
	for server, want := range servers {
		err := reached(t.Context(), server, "127.77.0.2")
		if (err == nil) != want || !want && !strings.Contains(err.Error(), "give the task an address that the server reaches") {
			t.Errorf("%s: %v", server, err)
		}
		if err := reached(t.Context(), server, "203.0.113.7"); err != nil {
			t.Errorf("%s from an address of the network: %v", server, err)
		}
	}
	if s, err := Choose(t.Context(), asked("203.0.113.9")); err == nil || !strings.Contains(err.Error(), "the server 203.0.113.9 is on another machine, and the task's address 127.77.") {
		t.Errorf("%+v, %v", s, err)
	}
}
