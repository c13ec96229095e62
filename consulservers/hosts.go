package consulservers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"meshtask/internal/event"
	"meshtask/internal/registration"
)

// settingsError says that TLS cannot be set up: to wait does not help.
type settingsError struct{ error }

func (e *settingsError) Unwrap() error { return e.error }

// discover makes servers of the hosts.
func (f *Finder) discover(ctx context.Context) (list []*Server, err error) {
	var last error
	for _, host := range f.cfg.Hosts {
		addresses, err := f.lookUp(ctx, host)
		if err != nil {
			last = err
			continue
		}
		for _, a := range addresses {
			s, err := f.reuse(a, f.cfg.GRPC.Port)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(list, func(o *Server) bool { return o.Address == s.Address }) {
				list = append(list, s)
			}
		}
	}
	if len(list) == 0 && last == nil {
		last = event.Because(event.ConsulName, fmt.Errorf("%s has no address", strings.Join(f.cfg.Hosts, ", ")), "name", f.cfg.Hosts[0], event.FactCase, event.CaseServers)
	}
	if len(list) > 0 {
		last = nil
	}
	return list, last
}

func (f *Finder) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if command, ok := strings.CutPrefix(host, "exec="); ok {
		return f.printed(ctx, command)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addresses, err := f.cfg.Resolve(ctx, host)
	if err != nil {
		return nil, event.Because(event.ConsulName, fmt.Errorf("consulServers.hosts: %w", err), "name", host, event.FactCase, event.CaseServers)
	}
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, nil
}

// printed are the addresses that a command prints.
func (f *Finder) printed(ctx context.Context, command string) (list []netip.Addr, err error) {
	bad := func(err error) error {
		return event.Because(event.ConsulName, fmt.Errorf("consulServers.hosts: exec=%s: %w", command, err), "name", "exec="+command, event.FactCase, event.CaseServers)
	}
	if f.cfg.Exec == nil {
		return nil, bad(errors.New("commands cannot be run here"))
	}
	ctx, cancel := context.WithTimeout(ctx, execLimit)
	defer cancel()
	out, err := f.cfg.Exec(ctx, command)
	if err != nil {
		return nil, bad(err)
	}
	for word := range strings.FieldsSeq(string(out)) {
		a, err := netip.ParseAddr(word)
		if err != nil {
			return nil, bad(fmt.Errorf("it prints %q, which is no IP address", word))
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, bad(errors.New("it prints no address"))
	}
	return list, nil
}

// server makes one; nobody is asked.
func (f *Finder) server(a netip.Addr, grpcPort int) (*Server, error) {
	s := &Server{Address: a, GRPC: net.JoinHostPort(a.String(), strconv.Itoa(grpcPort))}
	at := net.JoinHostPort(a.String(), strconv.Itoa(f.cfg.HTTP.Port))
	var err error
	if s.http, err = settings(f.cfg.HTTP, a); err != nil {
		return nil, err
	}
	if s.grpc, err = settings(f.cfg.GRPC, a); err != nil {
		return nil, err
	}
	s.HTTP = "http://" + at
	if s.http != nil {
		s.HTTP = "https://" + at
	}
	c := f.cfg.Call
	c.Who, c.Address, c.TLS = "the Consul server "+at, s.HTTP, s.http
	s.call = registration.NewCaller(c)
	return s, nil
}

// settings are those of TLS to one address.
func settings(e Endpoint, a netip.Addr) (*tls.Config, error) {
	if e.TLS == nil {
		return nil, nil
	}
	c, err := e.TLS()
	if err != nil {
		return nil, &settingsError{err}
	}
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = a.String()
	}
	return c, nil
}
