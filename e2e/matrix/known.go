package main

import (
	"slices"
	"strings"
)

// known is a test that cannot pass with one of the Consuls as it is built here, and why.
type known struct{ consul, test, why string }

func knowns() []known {
	return []known{{"1.22.7", "TestDocs/gateways",
		"the `consul` that is built here has the command of a newer API module than its server: it writes an api-gateway entry with the field `TLS`, " +
			"which the server refuses. With the module of its own line it does not compile, and HashiCorp does not build it so"}}
}

// unknown are those of the failures, the note of a result, that have no known reason, and the
// others. A test that failed by its parts alone is not one.
func unknown(consul, note string) (others, explained []string) {
	all := strings.Fields(note)
	for _, name := range all {
		switch {
		case slices.ContainsFunc(all, func(part string) bool { return strings.HasPrefix(part, name+"/") }):
		case slices.ContainsFunc(knowns(), func(k known) bool { return k.consul == consul && k.test == name }):
			explained = append(explained, name)
		default:
			others = append(others, name)
		}
	}
	return others, explained
}
