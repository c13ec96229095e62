package consulagent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	callLimit = 2 * time.Second // of one call to the agent, the servers' share included
	maxBody   = 16 << 20        // of an answer: a large catalog's node has some hundred KiB
	maxText   = 512             // of an error's text
)

// StatusError is an answer of the agent that refuses or fails.
type StatusError struct {
	Code int
	Text string // what Consul says
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the agent answers %d: %s", e.Code, e.Text)
}

// aclNotFound: the token is not known, or not yet, to whoever has looked. Agents remember
// that for 30 seconds (acl.token_ttl).
func aclNotFound(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && strings.Contains(e.Text, "ACL not found")
}

// denied: the token is known, and has not the right.
func denied(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && strings.Contains(e.Text, "Permission denied")
}

func status(err error, code int) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && e.Code == code
}

// noServers: the agent knows of no server, so it has not joined, or all have failed.
func noServers(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && strings.Contains(e.Text, "No known Consul servers")
}

// connection is how calls reach an agent. It is not the client of consul/api: that one
// takes whatever it is not given (token, CA, namespace) from CONSUL_* variables, which in
// a consul-ecs task mean something else, and does not bound what it reads.
type connection struct {
	base  string
	limit time.Duration
	http  *http.Client
}

func connect(address string, limit time.Duration) *connection {
	return &connection{
		base:  "http://" + address,
		limit: limit,
		// No agent redirects; whoever answers in its place is not to get token and body sent on.
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: limit}).DialContext,
			MaxIdleConnsPerHost: 4, // health writes side by side
			IdleConnTimeout:     time.Minute,
		}},
	}
}

func (c *connection) close() { c.http.CloseIdleConnections() }

// call is one request; query, body and out may be nil.
type call struct {
	method, path string
	token        string // "" is the anonymous one
	query        url.Values
	body, out    any
}

// do carries out a call, within c.limit at most, and returns the header of a good answer.
func (c *connection) do(ctx context.Context, k call) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var body io.Reader
	if k.body != nil {
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, c.base+k.path, body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = k.query.Encode()
	if k.token != "" {
		req.Header.Set("X-Consul-Token", k.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, reason(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the agent's answer: %w", err)
	case res.StatusCode != http.StatusOK:
		text := strings.TrimSpace(string(answer[:min(len(answer), maxText)]))
		return nil, &StatusError{Code: res.StatusCode, Text: text}
	case k.out == nil:
		return res.Header, nil
	}
	if err := json.Unmarshal(answer, k.out); err != nil {
		return nil, fmt.Errorf("the agent's answer to %s is not understood: %w", k.path, err)
	}
	return res.Header, nil
}

// reason takes the URL, which callers know, out of what net/http says.
func reason(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the agent cannot be reached: %w", e.Err)
	}
	return err
}
