package dev

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The ports at which a server is looked for and joined.
const (
	httpPort   = 8500
	grpcPort   = 8502
	gossipPort = 8301
)

// ServerHost reads the address of a server: a host alone, or with the port of its API or of
// its gossip, or a URL, as CONSUL_HTTP_ADDR has it. Another port is refused: of a server that
// has its API elsewhere nobody knows where its gossip is.
func ServerHost(text string) (host string, err error) {
	rest := text
	if u, err := url.Parse(text); err == nil && strings.Contains(text, "://") {
		rest = u.Host
	}
	if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
		return ip.String(), nil
	}
	host, port, err := net.SplitHostPort(rest)
	switch {
	case err != nil && !strings.ContainsAny(rest, ":/ ") && rest != "":
		host = rest
	case err != nil || host == "":
		return "", fmt.Errorf("must be the host of a Consul server, such as 127.0.0.1, got %q", text)
	case port != strconv.Itoa(httpPort) && port != strconv.Itoa(gossipPort):
		return "", fmt.Errorf("%q names port %s, but a server is looked for at its HTTP port %d and joined at its gossip port %d: write %s alone, "+
			`or join a server with other ports by {"consulAgent": {"retryJoin": ["%s:GOSSIPPORT"]}} in --config`, text, port, httpPort, gossipPort, host, host)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return host, nil
}

// lookupLimit bounds how long a server's name is looked up.
const lookupLimit = 2 * time.Second

// reached says why a server cannot be reached from the task, or reach it: from an address of
// this machine alone nobody else is. A name that is not known is left to the agent.
func reached(ctx context.Context, server, task string) error {
	own, err := netip.ParseAddr(task)
	if err != nil || !own.IsLoopback() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", server) // an address is its own
	if err != nil {
		return nil
	}
	local, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, ip := range found {
		if ip = ip.Unmap(); ip.IsLoopback() || ip.IsUnspecified() {
			return nil
		}
		for _, l := range local {
			if p, err := netip.ParsePrefix(l.String()); err == nil && p.Addr().Unmap() == ip {
				return nil
			}
		}
	}
	return fmt.Errorf("the server %s is on another machine, and the task's address %s is of this machine alone, so that neither reaches the other: "+
		`give the task an address that the server reaches, {"task": {"address": "ADDR"}} in --config, or leave --server out`, server, task)
}
