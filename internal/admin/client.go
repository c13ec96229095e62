package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxAnswer is more than a status of a task ever needs.
const maxAnswer = 8 << 20

// Health asks the task in a state directory. The error says that it did not answer, or is not
// to be believed (*statedir.StrangeError).
func Health(ctx context.Context, dir string) (ok bool, why string, err error) {
	code, body, err := get(ctx, dir, "/health")
	return code == http.StatusOK, strings.TrimSpace(string(body)), err
}

// Status asks for the live state, as JSON.
func Status(ctx context.Context, dir string) ([]byte, error) {
	code, body, err := get(ctx, dir, "/status")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("the task answered %d: %s", code, strings.TrimSpace(string(body)))
	}
	return body, err
}

// Scrape asks for the metrics, as Prometheus' text.
func Scrape(ctx context.Context, dir string) ([]byte, error) {
	code, body, err := get(ctx, dir, "/metrics")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("the task answered %d: %s", code, strings.TrimSpace(string(body)))
	}
	return body, err
}

func get(ctx context.Context, dir, path string) (int, []byte, error) {
	client, transport := dial(dir)
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://meshtask"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the task answers with more than %d MiB", maxAnswer>>20)
	}
	return resp.StatusCode, body, err
}
