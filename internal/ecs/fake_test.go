package ecs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const (
	arnFargate = "arn:aws:ecs:us-east-1:123456789012:task/prod/0a1b2c"
	cluster    = "arn:aws:ecs:us-east-1:123456789012:cluster/prod"

	ownDoc  = `{"DockerId":"d1","Name":"web","Type":"NORMAL","KnownStatus":"CREATED","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.1.7"]}],"New":{"x":1}}`
	taskDoc = `{"Cluster":"` + cluster + `","TaskARN":"` + arnFargate + `","Family":"Web","Revision":"41","LaunchType":"FARGATE","AvailabilityZone":"us-east-1b","DesiredStatus":"RUNNING","Limits":{"CPU":0.25,"Memory":512},"Containers":[
		{"DockerId":"d1","Name":"web","Type":"NORMAL","DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":128},
		 "Health":{"status":"HEALTHY","statusSince":"2026-11-02T09:00:05.1Z","exitCode":0}},
		{"DockerId":"","Name":"later","Type":"NORMAL","KnownStatus":"PULLED","Health":{}},
		{"DockerId":"d3","Name":"job","KnownStatus":"STOPPED","ExitCode":0}],"Tomorrow":[1,2]}`
)

// endpoint plays the task metadata endpoint: answers are functions by path,
// which a test may change while it runs.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	serve map[string]http.HandlerFunc
	calls map[string]int
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{calls: map[string]int{}, serve: map[string]http.HandlerFunc{
		"/v4/id": document(ownDoc), "/v4/id/task": document(taskDoc),
	}}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.calls[r.URL.Path]++
		h := e.serve[r.URL.Path]
		e.mu.Unlock()
		if h == nil {
			h = refuse(404, "unknown")
		}
		h(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) on(path string, h http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serve["/v4/id"+path] = h
}

func (e *endpoint) count(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[path]
}

func (e *endpoint) client(t *testing.T) *Client {
	c, err := New(e.URL + "/v4/id/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func document(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, s)
	}
}

// refuse answers as the agent does: a bare JSON string.
func refuse(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(text)
	}
}

// has fails unless err holds every text.
func has(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("error %v: want %q in it", err, s)
		}
	}
}
