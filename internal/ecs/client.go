// Package ecs knows the task metadata endpoint, version 4: how to ask it, what
// its documents say, and the ARNs in them. It does not know the ECS API, and
// decides nothing about health: it says what the endpoint said.
package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"meshtask/internal/event"
)

const (
	callLimit = 2 * time.Second // of one call; the endpoint's own limits are 5 s
	bodyLimit = 4 << 20         // a document of a large task has some 50 KiB
	quote     = 200             // bytes of an error's text that are worth showing
)

// Client asks one task metadata endpoint. It keeps one connection, follows no
// redirect and uses no proxy.
type Client struct {
	uri   string
	http  *http.Client
	count [results]atomic.Int64
}

// result is what a request came to.
type result int

const (
	fine        result = iota
	badStatus          // an answer other than 200
	timedOut           // no answer, or not the whole of it, in time
	unreachable        // no connection
	malformed          // an answer that is no document, or is too long
	results
)

func (r result) String() string {
	return [...]string{"ok", "status", "timeout", "unreachable", "malformed"}[r]
}

// Requests is how many requests came to what, by result: ok, status, timeout, unreachable or
// malformed.
func (c *Client) Requests() map[string]int64 {
	out := map[string]int64{}
	for r := range results {
		out[r.String()] = c.count[r].Load()
	}
	return out
}

// New returns a client of the endpoint at uri, the value of
// ECS_CONTAINER_METADATA_URI_V4. Close ends it. Its error has the code event.Metadata.
func New(uri string) (*Client, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, event.Because(event.Metadata, fmt.Errorf("task metadata endpoint %q: want an http URL", uri), "address", uri)
	}
	return &Client{
		uri: strings.TrimRight(uri, "/"),
		http: &http.Client{
			Timeout:       callLimit,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:         (&net.Dialer{Timeout: callLimit}).DialContext,
				MaxIdleConnsPerHost: 1,
				IdleConnTimeout:     time.Minute,
			},
		},
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Task asks once for the whole task. It takes at most 2 s.
func (c *Client) Task(ctx context.Context) (Task, error) {
	var t Task
	if err := c.get(ctx, "/task", &t); err != nil {
		return Task{}, err
	}
	if t.TaskARN == "" {
		return Task{}, errors.New("task metadata /task: no TaskARN in the answer")
	}
	return t, nil
}

// Containers asks once for the task's containers, in random order. A
// container that has not been pulled yet is not among them. An error is no
// news: nothing is known to have changed.
func (c *Client) Containers(ctx context.Context) ([]Container, error) {
	t, err := c.Task(ctx)
	return t.Containers, err
}

// Own asks once for the container that asks.
func (c *Client) Own(ctx context.Context) (Container, error) {
	var own Container
	if err := c.get(ctx, "", &own); err != nil {
		return Container{}, err
	}
	if own.Name == "" {
		return Container{}, errors.New("task metadata: no Name in the answer")
	}
	return own, nil
}

// OwnName asks the endpoint at uri once, for a second at most, for the name of the container
// that asks; "" where nobody tells.
func OwnName(uri string) string {
	c, err := New(uri)
	if err != nil || c == nil {
		return ""
	}
	defer c.Close()
	ctx, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	own, err := c.Own(ctx)
	if err != nil {
		return ""
	}
	return own.Name
}

// get decodes one document, and counts.
func (c *Client) get(ctx context.Context, path string, into any) error {
	came, err := c.ask(ctx, path, into)
	if ctx.Err() == nil { // else it was the caller who had enough
		c.count[came].Add(1)
	}
	if err != nil {
		return fmt.Errorf("%s: %v", strings.TrimSpace("task metadata "+path), err)
	}
	return nil
}

// ask is one request. The status comes first: errors have JSON bodies as well.
func (c *Client) ask(ctx context.Context, path string, into any) (result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.uri+path, nil)
	if err != nil {
		return unreachable, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return lost(err), err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return badStatus, fmt.Errorf("HTTP %d: %s", resp.StatusCode, message(body))
	case err != nil:
		return lost(err), err
	case len(body) > bodyLimit:
		return malformed, fmt.Errorf("more than %d bytes", bodyLimit)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return malformed, err
	}
	return fine, nil
}

// lost is what an error of a connection comes to.
func lost(err error) result {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return timedOut
	}
	return unreachable
}

// message is the text of an error's body: the endpoint sends a bare JSON
// string, or plain text when it throttles.
func message(body []byte) string {
	var s string
	if json.Unmarshal(body, &s) != nil {
		s = string(body)
	}
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > quote {
		s = s[:quote] + "…"
	}
	if s == "" {
		return "no text"
	}
	return s
}
