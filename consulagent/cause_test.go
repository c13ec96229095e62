package consulagent

import (
	"errors"
	"slices"
	"testing"

	"meshtask/internal/event"
)

// Words of Consul 1.22, of Go's network and of TLS, as agents have printed them.
func TestCauseOfConsulsWords(t *testing.T) {
	for words, want := range map[string]event.Code{
		"listen tcp 127.0.0.1:8500: bind: address already in use":              event.ConsulAddressTaken,
		"failed to start: bind: cannot assign requested address":               event.ConsulAddressTaken,
		"Remote state is encrypted and encryption is not configured":           event.ConsulEncryption,
		"no installed keys could decrypt the message":                          event.ConsulEncryption,
		"tls: failed to verify: x509: certificate signed by unknown authority": event.ConsulCertificate,
		"Member 'x' part of wrong datacenter 'dc2'":                            event.ConsulDatacenter,
		"lookup consul.local on 10.0.0.2:53: no such host":                     event.ConsulName,
		"rpc error: Permission denied: token lacks permission 'node:write'":    event.ConsulACL,
		"ACL not found":                                        event.ConsulACL,
		"dial tcp 10.0.3.7:8301: i/o timeout":                  event.ConsulUnreachable,
		"dial tcp 127.0.0.1:8301: connect: connection refused": event.ConsulUnreachable,
		"dial tcp 10.9.9.9:8301: connect: no route to host":    event.ConsulUnreachable,
		"the agent answers 500: No cluster leader":             event.ConsulNotJoined,
		"": event.ConsulNotJoined,
	} {
		if got := causeOf(words, false); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
	if got := causeOf("the agent answers 500: No cluster leader", true); got != event.ConsulNoLeader {
		t.Errorf("one that has joined: %s", got)
	}
	if got := endCause("failed to parse /x/consul.json: 1 error occurred: * invalid config key frob"); got != event.ConsulSettings {
		t.Errorf("settings: %s", got)
	}
	if got := endCause("listen tcp 127.0.0.1:8500: bind: address already in use"); got != event.ConsulAddressTaken {
		t.Errorf("a port that is taken: %s", got)
	}
}

// What a sentence needs is found in the words, and which case of the code it is.
func TestFactsOfConsulsWords(t *testing.T) {
	for _, c := range []struct {
		code  event.Code
		words string
		want  []string
	}{
		{event.ConsulUnreachable, "* Failed to join 10.0.3.7:8301: dial tcp 10.0.3.7:8301: connect: connection refused", []string{"address", "10.0.3.7:8301", "error", "connection refused"}},
		{event.ConsulUnreachable, "dial tcp 10.0.3.7:8301: i/o timeout", []string{"address", "10.0.3.7:8301", "error", "timeout"}},
		{event.ConsulAddressTaken, "listen tcp 127.0.0.1:8500: bind: address already in use", []string{"address", "127.0.0.1:8500", "error", "address already in use"}},
		{event.ConsulAddressTaken, "listen tcp 10.1.1.1:8301: bind: cannot assign requested address", []string{"address", "10.1.1.1:8301", "error", "cannot assign requested address", "case", "address"}},
		{event.ConsulName, "lookup consul.local on 10.0.0.2:53: no such host", []string{"name", "consul.local"}},
		{event.ConsulEncryption, "Remote state is encrypted and encryption is not configured", []string{"case", "none"}},
		{event.ConsulEncryption, "Encryption is configured but remote state is not encrypted", []string{"case", "plain"}},
		{event.ConsulEncryption, "no installed keys could decrypt the message", nil},
		{event.ConsulSettings, "invalid config key frob", nil},
	} {
		if got := factsOf(c.code, c.words); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.words, got, c.want)
		}
	}
	if got := saying([]string{"older", "agent: (LAN) couldn't join: number_of_nodes=0 error= 1 error occurred: * Failed to join 10.0.3.7:8301: no"}); got != "Failed to join 10.0.3.7:8301: no" {
		t.Errorf("quoted: %q", got)
	}
}

// That our own agent does not answer yet is nothing that servers do; someone else's is named.
func TestWhoDoesNotAnswer(t *testing.T) {
	refused := errors.New("the agent cannot be reached: dial tcp 127.0.0.1:8500: connect: connection refused")
	for external, want := range map[bool]event.Code{false: event.ConsulNotJoined, true: event.ConsulUnreachable} {
		j := &joining{external: external}
		c := event.CauseOf(j.because(refused, refused.Error(), events{}))
		if c.Code != want || (c.Facts["case"] == event.CaseAgent) != external {
			t.Errorf("external %v: %s %v", external, c.Code, c.Facts)
		}
	}
}
