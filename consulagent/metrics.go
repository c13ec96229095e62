package consulagent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"meshtask/internal/registration"
)

const (
	metricsSize = 4 << 20 // of an answer; a client agent's has 70 KB
	// metricsPause is how long an agent that refuses is not asked again: each refusal is an error
	// in its log.
	metricsPause = 10 * time.Minute
)

// Metrics are the agent's own, in Prometheus' text format. It needs a token with agent:read where
// there are ACLs, and an agent that keeps them (AgentConfig.Prometheus). Safe for concurrent use.
type Metrics struct {
	Client *Client

	mu      sync.Mutex
	refused error
	again   time.Time
}

// Read asks the agent, within the client's limit for a call. An agent that has refused is not
// asked for ten minutes: the error is then that of the refusal.
func (m *Metrics) Read(ctx context.Context) ([]byte, error) {
	m.mu.Lock()
	refused, again := m.refused, m.again
	m.mu.Unlock()
	if refused != nil && time.Now().Before(again) {
		return nil, refused
	}
	text, status, err := m.Client.metrics(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = nil
	if err != nil && status >= 400 && status < 500 {
		m.refused, m.again = err, time.Now().Add(metricsPause)
	}
	return text, err
}

// metrics asks once. status is 0 without an answer.
func (c *Client) metrics(ctx context.Context) (text []byte, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.calls.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.cfg.Address+"/v1/agent/metrics?format=prometheus", nil)
	if err != nil {
		return nil, 0, err
	}
	token := c.cfg.AgentToken()
	if token == "" {
		token = c.cfg.Token()
	}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	answer, err := c.calls.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(io.LimitReader(answer.Body, metricsSize+1))
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, answer.StatusCode, fmt.Errorf("the agent answers %d: %s", answer.StatusCode, text[:min(len(text), maxText)])
	case err != nil:
		return nil, 0, registration.Answered(c.calls.Who, err)
	case len(text) > metricsSize:
		return nil, 0, fmt.Errorf("the agent's metrics have more than %d bytes", metricsSize)
	}
	return text, http.StatusOK, nil
}
