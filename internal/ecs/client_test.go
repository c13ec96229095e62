package ecs

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestTask(t *testing.T) {
	e := newEndpoint(t)
	got, err := e.client(t).Task(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.TaskARN != arnFargate || got.Family != "Web" || got.Limits != (Limits{0.25, 512}) || len(got.Containers) != 3 {
		t.Errorf("got %+v", got)
	}
	web, later, job := got.Containers[0], got.Containers[1], got.Containers[2]
	if web.Health == nil || web.Health.Status != "HEALTHY" || web.ExitCode != nil || web.Limits.CPU != 128 {
		t.Errorf("value: got %+v", web)
	}
	if later.Health == nil || later.Health.Status != "" || later.DockerID != "" {
		t.Errorf("empty health must stay apart from none: got %+v", later)
	}
	if job.Health != nil || job.ExitCode == nil || *job.ExitCode != 0 {
		t.Errorf("no health, exit code 0: got %+v", job)
	}
}

func TestBadAnswers(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   []string
	}{
		"bare string 500":       {refuse(500, "failed to get task"), []string{"HTTP 500", "failed to get task"}},
		"bare string 404":       {refuse(404, "unknown id"), []string{"HTTP 404", "unknown id"}},
		"a document behind 500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = w.Write([]byte(taskDoc)) }, []string{"HTTP 500"}},
		"throttled": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "You have reached\nmaximum request limit.", http.StatusTooManyRequests)
		}, []string{"HTTP 429: You have reached maximum request limit."}},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}, []string{"HTTP 301"}},
		"no text":                {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, []string{"HTTP 503: no text"}},
		"long text":              {refuse(500, strings.Repeat("x", 5000)), []string{strings.Repeat("x", quote) + "…"}},
		"200 with a bare string": {refuse(200, "oops"), []string{"/task", "cannot unmarshal"}},
		"200 with {}":            {document(`{}`), []string{"no TaskARN"}},
		"200 with null":          {document(`null`), []string{"no TaskARN"}},
		"garbage":                {document(`<html>`), []string{"invalid character"}},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999")
			_, _ = w.Write([]byte(taskDoc[:40]))
		}, []string{"unexpected EOF"}},
		"too large": {document(`"` + strings.Repeat("x", bodyLimit) + `"`), []string{"more than 4194304 bytes"}},
		"closed":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, []string{"EOF"}},
		"hangs":     {hang, []string{"Timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			e.on("/task", c.answer)
			list, err := e.client(t).Containers(t.Context())
			has(t, err, append(c.want, "task metadata /task")...)
			if list != nil {
				t.Errorf("containers of a bad answer: %v", list)
			}
			if e.count("/elsewhere") != 0 {
				t.Error("followed a redirect")
			}
		})
	}
}

// The endpoint is at a link-local address: a proxy would send it elsewhere.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	c, err := New("http://169.254.170.2/v4/x")
	if err != nil {
		t.Fatal(err)
	}
	tr, ok := c.http.Transport.(*http.Transport)
	if !ok || tr == http.DefaultTransport || tr.Proxy != nil {
		t.Errorf("transport %+v: want an own one without a proxy", tr)
	}
}

func TestEndsWithContext(t *testing.T) {
	e := newEndpoint(t)
	asked := make(chan struct{})
	e.on("/task", func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := e.client(t).Task(ctx)
	has(t, err, "canceled") // and not the call's own limit
}

func TestNew(t *testing.T) {
	for _, uri := range []string{"", "169.254.170.2/v4", "file:///x", "http://", "://", "http://a b/"} {
		if _, err := New(uri); err == nil {
			t.Errorf("New(%q): want an error", uri)
		}
	}
}
