// Package consulapi makes clients of Consul's HTTP API that follow no redirect and read no
// answer without end. It knows how a call travels and not what is asked.
package consulapi

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

// Config is what a client needs; only Address is required.
type Config struct {
	Address string // HOST:PORT for plain http, or a URL
	Token   string // of calls that give none of their own
	TLS     *tls.Config

	Dial      time.Duration // the longest connect, and TLS handshake; 0: 5 s
	Call      time.Duration // the longest call, its answer included; 0: as its context says
	MaxAnswer int64         // bytes; a longer answer is an error. 0: 16 MiB
	MaxIdle   int           // connections that are kept; 0: 4
}

// New makes a client and the HTTP client that carries its calls; it calls nobody. No
// redirect is followed: Consul sends none, and a server that answers in its place would be sent
// the token on. What Config does not give, the library takes from CONSUL_* variables, which
// the program takes out of its environment at its start; a bad one is the only error.
func New(c Config) (*api.Client, *http.Client, error) {
	if c.Dial == 0 {
		c.Dial = 5 * time.Second
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = 16 << 20
	}
	if c.MaxIdle == 0 {
		c.MaxIdle = 4
	}
	carrier := &http.Client{
		Transport: bounded{&http.Transport{
			DialContext:         (&net.Dialer{Timeout: c.Dial}).DialContext,
			TLSHandshakeTimeout: c.Dial,
			TLSClientConfig:     c.TLS,
			MaxIdleConnsPerHost: c.MaxIdle,
			IdleConnTimeout:     time.Minute,
		}, c.MaxAnswer},
		Timeout:       c.Call,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client, err := api.NewClient(&api.Config{Address: c.Address, Scheme: "http", Token: c.Token, HttpClient: carrier})
	return client, carrier, err
}

// bounded ends answers that are longer than limit: the library reads them whole.
type bounded struct {
	*http.Transport // CloseIdleConnections is its own
	limit           int64
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.Transport.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, b.limit)
	}
	return answer, err
}
