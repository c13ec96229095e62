package dev

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claimPort is bound on every address that a development task or server has:
// the kernel keeps two that start at once apart, and frees the address however
// its holder ends. It lies below the ephemeral ports, and neither Consul nor
// Envoy use it.
const claimPort = 8599

// place is an address that is the caller's until it is closed. It listens on
// claimPort, where a task has its metadata endpoint.
type place struct {
	net.Listener
	Address string
}

// taskPlace claims the first address of 127.77.0.0/16 on which ports are free.
// passed is told of each that was not taken, with the reason, but not of those
// that other development tasks have.
func taskPlace(ports []int, passed func(why string)) (*place, error) {
	for n := 2; n < 1<<16-1; n++ {
		p, err := claim(fmt.Sprintf("127.77.%d.%d", n>>8, n&255), ports)
		if err != nil {
			passed(err.Error())
		}
		if p != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no address of 127.77.0.0/16 has the ports %v free", ports)
}

// claim takes an address; nil without an error is one that somebody else has.
func claim(address string, ports []int) (*place, error) {
	l, err := net.Listen("tcp", join(address, claimPort))
	if err != nil {
		return nil, nil
	}
	for _, port := range ports {
		if !free(address, port) {
			_ = l.Close()
			return nil, fmt.Errorf("%s is taken", join(address, port))
		}
	}
	return &place{l, address}, nil
}

// free says whether a TCP port of an address can be bound.
func free(address string, port int) bool {
	l, err := net.Listen("tcp", join(address, port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// appPort claims port of address for the caller's app, or another one that is
// free. The app binds it itself, so that the claim is a name beside it, which
// keeps development tasks apart until it is closed.
func appPort(address string, port int) (got int, claim io.Closer, err error) {
	for range 100 {
		claim, err = net.Listen("unix", "@meshtask-dev/"+join(address, port))
		if err == nil && free(address, port) {
			return port, claim, nil
		}
		if err == nil {
			_ = claim.Close()
		}
		if port, err = anyPort(address); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, fmt.Errorf("no port of %s stays free", address)
}

// anyPort is a port of address that was free a moment ago. It lies below those that the kernel gives
// to outgoing connections (ip_local_port_range): one of these might have it before it is bound, in
// the seconds that an app takes to start.
func anyPort(address string) (int, error) {
	const from, to = 22000, 32768
	for range 100 {
		if port := from + rand.IntN(to-from); free(address, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port of %s is free: 100 from %d to %d were tried", address, from, to-1)
}

// pagePort is where a task's page is, unless that is taken.
const pagePort = 9902

// pagePlace is where the page of a task at address can be: on loopback, beside the ports that
// the task itself needs.
func pagePlace(address string, needed []int) (string, error) {
	if ip := net.ParseIP(address); ip == nil || !ip.IsLoopback() {
		address = "127.0.0.1"
	}
	port := pagePort
	if slices.Contains(needed, port) || !free(address, port) {
		var err error
		if port, err = anyPort(address); err != nil {
			return "", err
		}
	}
	return join(address, port), nil
}

func join(address string, port int) string { return net.JoinHostPort(address, strconv.Itoa(port)) }

// serverPorts are what a development server binds.
func serverPorts() []int { return []int{8300, gossipPort, httpPort, grpcPort} }

// findServer says at which address the development server is. given is what the
// user wants; empty: the machine's, at 127.0.0.1 or, where other programs have
// its ports, at the first of 127.78.0.1 to 127.78.0.8 that is free.
//
// With ours the server is the caller's to start there. Without one it lives
// already, another task is starting it, or it is on another machine. passed is
// told why an address was not taken.
func findServer(ctx context.Context, given string, passed func(why string)) (address string, ours *place, err error) {
	if ip := net.ParseIP(given); given != "" && (ip == nil || !ip.IsLoopback()) {
		return given, nil, nil
	}
	if given != "" {
		return firstServer(ctx, []string{given}, passed)
	}
	candidates := []string{"127.0.0.1"}
	for n := 1; n <= 8; n++ {
		candidates = append(candidates, fmt.Sprintf("127.78.0.%d", n))
	}
	return firstServer(ctx, candidates, passed)
}

func firstServer(ctx context.Context, candidates []string, passed func(why string)) (address string, ours *place, err error) {
	for _, address := range candidates {
		if hasLeader(ctx, address) {
			return address, nil, nil
		}
		p, err := claim(address, serverPorts())
		if err == nil {
			return address, p, nil
		}
		passed(err.Error() + ", but no Consul server answers there")
	}
	return "", nil, fmt.Errorf("no place for a Consul server: %s have ports taken", strings.Join(candidates, ", "))
}

// serverArgs are the arguments of `consul` for a server at address, with its
// UI, whose state is gone when it ends.
func serverArgs(address string) []string {
	return []string{"agent", "-dev", "-node", "dev-server", "-bind", address, "-client", address, "-log-level", "warn",
		"-hcl", "ports { dns = -1, serf_wan = -1, grpc_tls = -1 } ui_config { enabled = true } disable_update_check = true"}
}

// hasLeader says whether a Consul server at address answers and has a leader.
func hasLeader(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+join(address, httpPort)+"/v1/status/leader", nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	leader, err := io.ReadAll(io.LimitReader(resp.Body, 256))
	return err == nil && resp.StatusCode == http.StatusOK && len(strings.Trim(string(leader), "\"\n ")) > 0
}
