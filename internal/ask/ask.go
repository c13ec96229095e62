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
	"strconv"
	"strings"
	"syscall"

	"meshtask/internal/event"
)

// Question is asked once a call and bounded by its context. nil is a yes; an error says what
// was answered instead, or that nothing was, and may carry a cause code.
type Question func(context.Context) error

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

// HTTP asks with a GET of url; a status from 200 to 399 is a yes, and no redirect is followed.
func HTTP(url string) Question {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return refused(err, url)
		}
		defer resp.Body.Close()
		if resp.StatusCode < 200 || resp.StatusCode > 399 {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
			return event.Because(event.AppNotReadyHTTP, fmt.Errorf("status %d: %s", resp.StatusCode, strings.TrimSpace(string(body))),
				"address", url, "status", strconv.Itoa(resp.StatusCode), event.FactSaid, strings.TrimSpace(string(body)))
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
