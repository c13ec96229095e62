// Package ask asks an app one question, whether it serves: by a TCP connection, by HTTP, or by
// gRPC's health protocol. It needs no shell and no program in the app's image.
//
// It does not know who asks, how often, or what follows from an answer.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"meshtask/internal/event"
)

// Question is asked once a call and bounded by its context. nil is a yes; an error says what
// was answered instead, or that nothing was, and may carry a cause code.
type Question func(context.Context) error

// Of is the question that a URL stands for: http:// and https:// with what a GET of it takes,
// tcp://HOST:PORT, grpc://HOST:PORT or grpc://HOST:PORT/SERVICE.
func Of(target string) (Question, error) {
	scheme, rest, _ := strings.Cut(target, "://")
	switch strings.ToLower(scheme) {
	case "http", "https":
		if u, err := url.Parse(target); err == nil && u.Hostname() != "" {
			return HTTP(target), nil
		}
	case "tcp":
		if hostPort(rest) {
			return TCP(rest), nil
		}
	case "grpc":
		if addr, _, _ := strings.Cut(rest, "/"); hostPort(addr) {
			return GRPC(rest), nil
		}
	}
	return nil, fmt.Errorf("want http://…, https://…, tcp://HOST:PORT or grpc://HOST:PORT[/SERVICE], got %q", target)
}

// hostPort says whether addr has both, the port as a number.
func hostPort(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && host != "" && n > 0
}

// TCP asks for a connection to addr, HOST:PORT.
func TCP(addr string) Question {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return refused(err, addr)
		}
		defer conn.Close()
		if conn.LocalAddr().String() == conn.RemoteAddr().String() {
			// Dialling a free port of the ephemeral range can meet itself.
			return event.Because(event.AppNotReadyTCP, errors.New("nothing listens: the connection met itself"), "address", addr)
		}
		return nil
	}
}

// HTTP asks with a GET of target; a status from 200 to 399 is a yes, and no redirect is followed.
func HTTP(target string) Question {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return refused(err, target)
		}
		defer resp.Body.Close()
		if resp.StatusCode < 200 || resp.StatusCode > 399 {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
			return event.Because(event.AppNotReadyHTTP, fmt.Errorf("status %d: %s", resp.StatusCode, strings.TrimSpace(string(body))),
				"address", target, "status", strconv.Itoa(resp.StatusCode), event.FactSaid, strings.TrimSpace(string(body)))
		}
		return nil
	}
}

// refused gives a dial its code, where nothing listens.
func refused(err error, address string) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return event.Because(event.AppNotReadyTCP, err, "address", address)
	}
	return err
}
