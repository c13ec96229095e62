package acl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/consulapi"
)

// Server is the Consul server that a controller asks, as CONSUL_HTTP_ADDR,
// CONSUL_HTTP_TOKEN, CONSUL_CACERT_PEM and CONSUL_TLS_SERVER_NAME give it.
type Server struct {
	Address       string // URL, or HOST:PORT for plain http
	Token         string
	CAPEM         string // empty: the system's CAs
	TLSServerName string // empty: the address's host
}

const (
	// clientLimit is above the longest blocking query of the leader lock (a minute
	// and Consul's 16th of it); every other call has a shorter limit of its own.
	clientLimit = 90 * time.Second
	// answerLimit is the longest answer: a list of 100 000 tokens has some 60 MB.
	answerLimit = 256 << 20
)

// Client makes a client of the server; it calls nobody. A warning says what of
// the settings lets others read the token. The token may do anything, so no
// redirect is followed with it.
func (s Server) Client() (client *api.Client, warning string, err error) {
	if warning, err = s.check(); err != nil {
		return nil, "", err
	}
	tls, err := api.SetupTLSConfig(&api.TLSConfig{CAPem: []byte(s.CAPEM), Address: s.TLSServerName})
	if err != nil {
		return nil, "", errors.New("CONSUL_CACERT_PEM: not a PEM certificate")
	}
	client, _, err = consulapi.New(consulapi.Config{Address: s.Address, Token: s.Token, TLS: tls, Call: clientLimit, MaxAnswer: answerLimit, MaxIdle: 10})
	if err != nil {
		return nil, "", fmt.Errorf("CONSUL_HTTP_ADDR: %w", err)
	}
	return client, warning, nil
}

// check looks at how the token would travel.
func (s Server) check() (warning string, err error) {
	if s.Address == "" {
		return "", errors.New("CONSUL_HTTP_ADDR: give the address of a Consul server, such as https://consul.example.com:8501")
	}
	scheme, rest, ok := strings.Cut(s.Address, "://")
	if !ok {
		scheme, rest = "http", s.Address
	}
	if scheme != "http" {
		return "", nil
	}
	if s.CAPEM != "" {
		return "", fmt.Errorf("CONSUL_HTTP_ADDR: %q is plain http, though CONSUL_CACERT_PEM gives a CA: write https://%s, or remove the CA", s.Address, rest)
	}
	if host := hostOf(rest); !onThisMachine(host) {
		return fmt.Sprintf("CONSUL_HTTP_ADDR: %s is reached by plain http: CONSUL_HTTP_TOKEN, which may do anything, can be read on the way; write https://", host), nil
	}
	return "", nil
}

// hostOf is the host of HOST, HOST:PORT or HOST:PORT/PATH.
func hostOf(rest string) string {
	rest, _, _ = strings.Cut(rest, "/")
	if host, _, err := net.SplitHostPort(rest); err == nil {
		return host
	}
	return strings.Trim(rest, "[]")
}

func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
