package parts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/envoy/warmup"
	"meshtask/internal/testbed/eventually"
)

// warm opens a stream to a server with the identity of the bed's Envoy.
func (b *serversBed) warm(server *harness.Server, change func(*warmup.Config)) *warmup.Stream {
	b.t.Helper()
	c := warmup.Config{Address: server.Address + ":8502", NodeID: envoyProxyID, Cluster: "web", NodeName: syntheticNode, Token: server.Token}
	if change != nil {
		change(&c)
	}
	s := warmup.Open(context.Background(), c)
	b.t.Cleanup(s.Close)
	return s
}

// word is what the server says to a stream: nil for an answer, a refusal, or a certificate that is
// none. A young server on a busy machine may need longer for it than a warm-up lasts, or close the
// connection, and is asked again.
func (b *serversBed) word(change func(*warmup.Config)) (err error) {
	b.t.Helper()
	eventually.True(b.t, "a word of the server", func() bool {
		s := b.warm(b.server, change)
		select {
		case <-s.Answered():
			err = nil
			return true
		case <-s.Done():
			err = s.Err()
			_, refused := errors.AsType[*warmup.Refusal](err)
			_, other := errors.AsType[*tls.CertificateVerificationError](err)
			return refused || other
		}
	})
	return err
}

// Who asks a server first waits for 200 ms, and that is the warm-up: Envoy, started in the same
// moment, is ready before the warm-up has its own answer. Where Envoy takes longer than that to
// start, as on a busy machine, there is nothing to see, and it is started again.
func TestWarmUpWaitsForEnvoy(t *testing.T) {
	b := newServersBed(t, 1, harness.ServerConfig{ACL: true})
	b.catalog()
	b.list(b.server.Address + ":8502")
	b.document(func(w *envoy.Bootstrap) { w.Token = func() string { return b.server.Token } })
	eventually.True(t, "Envoy is ready before the warm-up is answered", func() bool {
		s := b.warm(b.server, nil)
		l := b.start(nil)
		b.up(l)
		first := true
		select {
		case <-s.Answered():
			first = false
		default:
		}
		s.Close()
		if err := s.Err(); err != nil && !errors.Is(err, warmup.ErrLimit) {
			t.Fatalf("the warm-up ended with %v", err)
		}
		t.Logf("ready after %v, before the answer: %v", l.upIn, first)
		b.end(l)
		return first
	})
}

// A server's word is told: no right, no such token; and so is one of TLS.
func TestWarmUpIsRefused(t *testing.T) {
	address := harness.Address(t)
	config, ca := servedOverTLS(t, address, "server.dc1.consul")
	config.ACL = true
	b := newServersBed(t, 1, config)
	b.catalog()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	over := func(name string) func(*warmup.Config) {
		return func(c *warmup.Config) {
			c.Address, c.TLS = address+":8503", &tls.Config{RootCAs: roots, ServerName: name}
		}
	}
	if err := b.word(over("server.dc1.consul")); err != nil {
		t.Errorf("over TLS: %v", err)
	}
	if err := b.word(over("server.dc2.consul")); err == nil || !strings.Contains(err.Error(), "server.dc2.consul") {
		t.Errorf("another name: %v", err)
	}
	for token, code := range map[string]int{"": 7, "00000000-0000-4000-8000-000000000000": 16} {
		err := b.word(func(c *warmup.Config) { c.Token = token })
		refusal, ok := errors.AsType[*warmup.Refusal](err)
		if !ok || refusal.Code != code || refusal.Message == "" || refusal.Full() {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// occupy takes the only room that a server has. A young cluster does not yet count its servers
// or make configuration, and has room for more.
func (b *serversBed) occupy(server *harness.Server) (s *warmup.Stream) {
	b.t.Helper()
	eventually.True(b.t, "a server has room for one stream, and answers it", func() bool {
		s = b.warm(server, nil)
		select {
		case <-s.Answered():
		case <-s.Done():
			return false
		}
		refusal, ok := errors.AsType[*warmup.Refusal](b.warm(server, nil).Err())
		if ok && refusal.Full() {
			return true
		}
		s.Close()
		return false
	})
	return s
}

// With more servers than proxies, each server has room for one stream. The warm-up that has
// taken it is given up when Envoy is refused, and Envoy comes up at that same server.
func TestWarmUpLocksNobodyOut(t *testing.T) {
	b := newServersBed(t, 3, harness.ServerConfig{})
	b.catalog()
	b.document(nil)
	for _, server := range b.servers {
		b.list(server.Address + ":8502")
		s := b.occupy(server)
		gaveUp := false
		l := b.start(func(c *envoy.Config) {
			c.XDSEnded = func() { gaveUp = true; s.Close() }
		})
		b.up(l)
		// Refused it was, but where it takes longer to start than a warm-up may last.
		err := s.Err()
		if _, streams := b.where(b.admin()); gaveUp != (streams > 1) || !gaveUp && !errors.Is(err, warmup.ErrLimit) {
			t.Errorf("Envoy asked for %d streams; the warm-up was given up: %v, and ended with %v", streams, gaveUp, err)
		}
		t.Logf("given up %v, ready after %v", gaveUp, l.upIn)
		b.end(l)
	}
}
