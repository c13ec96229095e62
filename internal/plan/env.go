package plan

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"meshtask/internal/config"
)

// scrub takes out of env the variables that no child may inherit: those that
// hold secrets. "A variable" is NAME=value; the order is kept.
func scrub(env []string, secrets []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(secrets, name)
	})
}

// ConsulFree takes every CONSUL_ variable out: agent and Envoy get what they
// need in files, and Consul's own programs would read the rest.
func ConsulFree(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, "CONSUL_") })
}

// licence are the variables by which Consul Enterprise gets its licence.
func licence() []string { return []string{"CONSUL_LICENSE", "CONSUL_LICENSE_PATH"} }

// Licence are the variables of env that an agent of Consul Enterprise needs, which ConsulFree
// takes out.
func Licence(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(licence(), name)
	})
}

// upstreams are the variables that tell the app where its upstreams are:
// UPSTREAM_<NAME>_URL, _HOST and _PORT, the name in upper case with _ for
// everything that a variable's name cannot hold.
func upstreams(list []config.Upstream) []string {
	var out []string
	for _, u := range list {
		host, port := u.LocalBindAddress, strconv.Itoa(u.LocalBindPort)
		if host == "" {
			host = "127.0.0.1"
		}
		name := "UPSTREAM_" + variable(u.DestinationName)
		out = append(out, name+"_URL=http://"+net.JoinHostPort(host, port), name+"_HOST="+host, name+"_PORT="+port)
	}
	return out
}

func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// Merge puts each of more into env, replacing a variable of the same name.
func Merge(env []string, more ...string) []string {
	out := slices.Clone(env)
	for _, kv := range more {
		name, _, _ := strings.Cut(kv, "=")
		out = append(scrub(out, []string{name}), kv)
	}
	return out
}
