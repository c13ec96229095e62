package consulservers

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"meshtask/internal/event"
)

// The first bytes of HTTP/2, and the first one of an alert of TLS, by which a TLS port may answer.
const (
	alert   = 0x15
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
)

var (
	errIsTLS  = errors.New("it speaks TLS there")
	errNotTLS = errors.New("it does not speak TLS there")
)

// greet says whether the xDS port speaks as it is to: TLS with that certificate, or HTTP/2.
func greet(ctx context.Context, s *Server) error {
	dialer := &net.Dialer{}
	conn, err := dialer.DialContext(ctx, "tcp", s.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	if s.grpc != nil {
		c := s.grpc.Clone()
		c.NextProtos = []string{"h2"}
		return tls.Client(conn, c).HandshakeContext(ctx)
	}
	if _, err := conn.Write([]byte(preface)); err != nil {
		return err
	}
	answer := make([]byte, 9)
	if _, err = io.ReadFull(conn, answer); err == nil && answer[0] != alert {
		return nil
	}
	if speaksTLS(ctx, s.GRPC) {
		return errIsTLS
	}
	return fmt.Errorf("its xDS port does not answer: %w", cmp.Or(err, io.ErrUnexpectedEOF))
}

// speaksTLS says whether a port does, whatever its certificate: it is told nothing.
func speaksTLS(ctx context.Context, at string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		return false
	}
	defer conn.Close()
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}).HandshakeContext(ctx) == nil
}

// explain gives an error of a server its code. at is HOST:PORT, field what its settings are.
func explain(err error, at, field string) error {
	code, reason := event.ConsulUnreachable, err.Error()
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		code = event.ConsulServerName
	case strings.Contains(reason, "x509:"), strings.Contains(reason, "tls: failed to verify"):
		code = event.ConsulCertificate
	case errors.Is(err, errIsTLS), strings.Contains(reason, "HTTP request to an HTTPS server"):
		code, err = event.ConsulIsTLS, errIsTLS
	case errors.As(err, &record), strings.Contains(reason, "gave HTTP response to HTTPS client"), strings.Contains(reason, "first record does not look like a TLS handshake"):
		code, err = event.ConsulNotTLS, errNotTLS
	case strings.Contains(reason, "No cluster leader"), strings.Contains(reason, "No known Consul servers"):
		code = event.ConsulNoLeader
	}
	facts := []string{"address", at, "field", field, event.FactCase, event.CaseServers}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		facts = append(facts, "error", e.Err.Error())
		err = e.Err
	}
	if event.CauseOf(err) != nil {
		return err
	}
	return event.Because(code, fmt.Errorf("%s: %w", at, err), facts...)
}

// wrap puts words before an error, and keeps its code.
func wrap(err error, words string) error {
	c := event.CauseOf(err)
	if c == nil {
		return event.Because(event.ConsulUnreachable, fmt.Errorf("%s: %w", words, err), event.FactCase, event.CaseServers)
	}
	return &event.Cause{Code: c.Code, Facts: c.Facts, Err: fmt.Errorf("%s: %w", words, err)}
}
