package consulagent

import (
	"regexp"
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

// What a cause's sentence needs, in the words of Go's network and of Consul.
var (
	dialled  = regexp.MustCompile(`(?:dial|read|listen|bind)[^ ]* (?:tcp|udp)[46]? (?:[^ ]+->)?([^ ]+:\d+): (?:i/o |connect: |bind: )?([a-z][a-z ]+[a-z])`)
	lookedUp = regexp.MustCompile(`lookup ([^ :]+)`)
)

// factsOf are the facts in these words, as pairs: an address and its error, a name, and which
// case of its code it is.
func factsOf(code event.Code, words string) (facts []string) {
	if m := dialled.FindAllStringSubmatch(words, -1); m != nil {
		last := m[len(m)-1]
		facts = append(facts, "address", last[1], "error", last[2])
	}
	if m := lookedUp.FindStringSubmatch(words); m != nil {
		facts = append(facts, "name", m[1])
	}
	lower := strings.ToLower(words)
	switch {
	case code == event.ConsulAddressTaken && !strings.Contains(lower, "already in use"):
		facts = append(facts, event.FactCase, event.CaseAddress)
	case code != event.ConsulEncryption:
	case strings.Contains(lower, "encryption is not configured"):
		facts = append(facts, event.FactCase, event.CaseNone)
	case strings.Contains(lower, "remote state is not encrypted"), strings.Contains(lower, "encryption is configured but remote state is not encrypted"):
		facts = append(facts, event.FactCase, event.CasePlain)
	}
	return facts
}

// saying is the last line of trouble as it is worth quoting: of a list of errors the last one.
func saying(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	last := lines[len(lines)-1]
	if i := strings.LastIndex(last, " * "); i >= 0 {
		last = last[i+len(" * "):]
	}
	return strings.TrimPrefix(last, "agent: ")
}
