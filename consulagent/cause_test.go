package consulagent

import (
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
