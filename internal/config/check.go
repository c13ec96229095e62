package config

import (
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checker validates a Config whose defaults are filled.
type checker struct {
	*report
	c *Config
}

// validate reports everything that can be seen to be wrong without the task.
func (c *Config) validate(r *report, agentKeys []string) {
	v := checker{r, c}
	v.service()
	v.checks()
	v.proxy()
	v.upstreams()
	v.expose()
	v.task()
	v.agent(agentKeys)
	v.servers()
	v.gatewayTask()
	v.envoy()
	v.app()
	v.ready()
	v.health()
	v.shutdown()
	v.acl()
	v.cleartext()
	v.rest()
	if c.Mode.Mesh() {
		v.collisions(c.listeners(c.Task.Address))
	}
}

// oneOf checks an enumeration.
func (v checker) oneOf(path, got string, want ...string) {
	if !slices.Contains(want, got) {
		v.error(path, "must be one of %s, got %q%s", strings.Join(want, ", "), got, near(got, want))
	}
}

// port checks a port that must be there, or was given.
func (v checker) port(path string, p int) {
	if p < 1 || p > 65535 {
		v.error(path, "must be 1–65535, got %d", p)
	}
}

// between checks a number.
func (v checker) between(path string, n, min, max int, unit string) {
	if n < min || n > max {
		v.error(path, "must be %d–%d%s, got %d", min, max, unit, n)
	}
}

// positive checks a duration that must not be 0.
func (v checker) positive(path string, d Duration) {
	if d.Duration <= 0 {
		v.error(path, "must be greater than 0s, got %s", d)
	}
}

// ip checks an address that may be absent.
func (v checker) ip(path, s string) {
	if s == "" {
		return
	}
	if a, err := netip.ParseAddr(s); err != nil || a.Zone() != "" {
		v.error(path, "must be an IP address, got %q", s)
	}
}

// hostPort checks HOST:PORT and returns the host.
func (v checker) hostPort(path, s string) string {
	host, port, err := net.SplitHostPort(s)
	n, nerr := strconv.Atoi(port)
	if err != nil || nerr != nil || host == "" || strings.ContainsAny(host, " /\x00") {
		v.error(path, "must be HOST:PORT, got %q", s)
		return ""
	}
	v.port(path, n)
	return host
}

// url checks an http or https URL.
func (v checker) url(path, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		v.error(path, "must be an http or https URL such as http://127.0.0.1:8080/ready, got %q", s)
		return
	}
	if p := u.Port(); p != "" {
		n, _ := strconv.Atoi(p)
		v.port(path, n)
	}
}

// grpc checks HOST:PORT or HOST:PORT/SERVICE.
func (v checker) grpc(path, s string) {
	addr, _, _ := strings.Cut(s, "/")
	v.hostPort(path, addr)
	v.text(path, s)
}

// text checks a string that goes to exec or to a file name: no NUL.
func (v checker) text(path, s string) {
	if strings.ContainsRune(s, 0) {
		v.error(path, "must not hold a NUL byte")
	}
}

// argv checks a command.
func (v checker) argv(path string, list []string) {
	for i, s := range list {
		v.text(index(path, i), s)
	}
	if len(list) > 0 && list[0] == "" {
		v.error(index(path, 0), "must not be empty")
	}
}

// distinct checks a list of distinct, non-empty strings.
func (v checker) distinct(path string, list []string) {
	seen := make(map[string]bool, len(list))
	for i, s := range list {
		switch {
		case s == "":
			v.error(index(path, i), "must not be empty")
		case seen[s]:
			v.error(index(path, i), "%q is given twice", s)
		}
		seen[s] = true
	}
}

// nonEmpty checks a string that may be absent but not empty.
func (v checker) nonEmpty(path, s string) {
	if s == "" && v.report.given[path] {
		v.error(path, "must not be empty")
	}
	v.text(path, s)
}

// consistsOf says whether s has letters, digits and the bytes of extra, at least one
// and at most max.
func consistsOf(s, extra string, max int) bool {
	return s != "" && len(s) <= max && strings.IndexFunc(s, func(r rune) bool { return !plain(r) && !strings.ContainsRune(extra, r) }) < 0
}

// name says whether s is made of letters, digits, '.', '_' and '-', and begins
// and ends with a letter or digit.
func name(s string) bool {
	return consistsOf(s, "._-", maxName) && plain(rune(s[0])) && plain(rune(s[len(s)-1]))
}

// container says whether s can name a container or a task's family.
func container(s string) bool { return consistsOf(s, "_-", 255) }

// user says whether s is a user, or a user and a group.
func user(s string) bool {
	u, g, both := strings.Cut(s, ":")
	part := func(s string) bool {
		return consistsOf(strings.TrimSuffix(s, "$"), "_.-", 255) && s[0] != '.' && s[0] != '-'
	}
	return part(u) && (!both || part(g))
}

// plain says whether r is an ASCII letter or digit.
func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// maxName is the longest name of a service or node that Consul keeps whole.
const maxName = 128

const (
	nameForm      = "1–128 letters, digits, '.', '_' and '-', and begin and end with a letter or digit"
	containerForm = "1–255 letters, digits, '_' and '-'"
)

// match checks a string that may be absent.
func (v checker) match(path, s string, ok func(string) bool, want string) {
	if s != "" && !ok(s) {
		v.error(path, "must be %s, got %q", want, s)
	}
}

// sorted are the keys in order, so that findings come in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// cleartext reports what would send tokens unencrypted, or show them to
// everybody who can reach a port.
func (v checker) cleartext() {
	v.envoyAdmin()
	v.loginTransport()
	if e := v.c.ConsulAgent.External; e != "" {
		if host, _, err := net.SplitHostPort(e); err == nil && !local(host) {
			v.warn("consulAgent.external", "%s is reached by plain http: tokens can be read and registrations changed on the way; use an agent on this machine", e)
		}
	}
}
