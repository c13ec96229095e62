package config

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// clear reports what would send tokens unencrypted, or hand them to whoever
// can reach a port.
func (v checker) clear() {
	v.envoyAdmin()
	v.loginTransport()
	if e := v.c.ConsulAgent.External; e != "" {
		if host, _, err := net.SplitHostPort(e); err == nil && !local(host) {
			v.odd("consulAgent.external", "%s is reached by plain http: tokens can be read and registrations changed on the way; use an agent on this machine", e)
		}
	}
}

// envoyAdmin keeps Envoy's admin interface, which shows the ACL token and ends
// Envoy for anyone who asks, within the task.
func (v checker) envoyAdmin() {
	host, _, err := net.SplitHostPort(v.c.Envoy.Admin)
	switch {
	case v.c.Envoy.Admin == "" || err != nil || host == "":
	case !local(host):
		v.wrong("envoy.admin", "must be a loopback address, got %q: whoever reaches it can read the ACL token and end Envoy; remove it to use a unix socket", v.c.Envoy.Admin)
	case v.c.Mode.Mesh():
		v.odd("envoy.admin", "every process that reaches %s can read the ACL token and end Envoy; remove it to use a unix socket", v.c.Envoy.Admin)
	}
}

// loginTransport refuses a CA that a plain-http server would never use.
func (v checker) loginTransport() {
	l := v.c.ACL.Login
	if l == nil || l.Server == "" {
		return
	}
	if u, err := url.Parse(l.STSEndpoint); err == nil && u.Scheme == "http" && !local(u.Hostname()) {
		v.odd("acl.login.stsEndpoint", "%s is reached by plain http: the signed request can be read on the way; write https://", l.STSEndpoint)
	}
	host, ok := plainHTTP(l.Server)
	if !ok {
		return
	}
	address := strings.TrimPrefix(l.Server, "http://")
	switch {
	case !l.CACert.IsZero():
		ca := "acl.login.caCert"
		if !v.given[ca] && v.name(ca) == ca {
			ca = "consulAgent.caCert"
		}
		v.wrong("acl.login.server", "%q is plain http, though there is a CA (%s): write https://%s, or remove the CA", l.Server, v.name(ca), address)
	case !local(host):
		v.odd("acl.login.server", "%s is reached by plain http: the login and its token can be read on the way; write https://%s", l.Server, address)
	}
}

// plainHTTP is the host of an address that Consul's client reaches without
// TLS: http://…, or HOST:PORT without a scheme.
func plainHTTP(server string) (host string, ok bool) {
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		return u.Hostname(), u.Scheme == "http"
	}
	host, _, err := net.SplitHostPort(server)
	return host, err == nil
}

// local says whether a host is this machine only.
func local(host string) bool { return host == "localhost" || loopback(host) }

// loopback says whether an address is one of this machine only.
func loopback(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && a.IsLoopback()
}
