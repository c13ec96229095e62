package consulagent

import (
	"strings"

	"meshtask/internal/event"
)

// causeOf classifies why an agent does not join, by the words of Consul, of Go's network and
// of TLS, which have no codes. joined: it has met a server, so that it lacks a leader.
func causeOf(words string, joined bool) event.Code {
	words = strings.ToLower(words)
	for _, c := range []struct {
		code  event.Code
		words []string
	}{ // what is particular first: "connection refused" stands in many a line
		{event.ConsulAddressTaken, []string{"address already in use", "cannot assign requested address"}},
		{event.ConsulEncryption, []string{"encrypt", "installed keys", "invalid key"}},
		{event.ConsulCertificate, []string{"x509", "certificate", "tls:"}},
		{event.ConsulDatacenter, []string{"wrong datacenter"}},
		{event.ConsulName, []string{"no such host", "server misbehaving", "lookup "}},
		{event.ConsulACL, []string{"acl not found", "permission denied"}},
		{event.ConsulUnreachable, []string{"timeout", "refused", "no route", "unreachable", "deadline"}},
	} {
		for _, word := range c.words {
			if strings.Contains(words, word) {
				return c.code
			}
		}
	}
	if joined {
		return event.ConsulNoLeader
	}
	return event.ConsulNotJoined
}

// endCause is the code of an agent that has ended unasked with these words: what keeps it
// from its servers, or from the machine, else its settings.
func endCause(words string) event.Code {
	if code := causeOf(words, false); code != event.ConsulNotJoined {
		return code
	}
	return event.ConsulSettings
}
