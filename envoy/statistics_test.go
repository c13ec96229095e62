package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"meshtask/envoy/bootstrap"
)

const (
	plainStats = "# TYPE envoy_cluster_default_dc1_internal_x_consul_upstream_cx_total counter\n" +
		"envoy_cluster_default_dc1_internal_x_consul_upstream_cx_total{envoy_cluster_name=\"api\"} 3\n"
	statNames = "cluster.api.default.dc1.internal.x.consul.upstream_cx_total: 3\nserver.live: 1\n"
)

// statBed is an admin interface that answers with answer, and the Statistics that read it.
type statBed struct {
	*Statistics
	dir string

	mu    sync.Mutex
	calls []string
}

// asked are the paths that were asked for.
func (b *statBed) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

func newStatBed(t *testing.T, tags bootstrap.StatsTags, answer http.HandlerFunc) *statBed {
	t.Helper()
	b := &statBed{dir: t.TempDir()}
	doc, err := bootstrap.Document(bootstrap.Settings{ProxyID: "p", XDS: "127.0.0.1:8502", Admin: "/a.sock", StatsTags: tags}, bootstrap.Registered{})
	if err != nil {
		t.Fatal(err)
	}
	document, socket := filepath.Join(b.dir, "bootstrap.json"), filepath.Join(b.dir, "s")
	if err := os.WriteFile(document, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	b.Statistics = NewStatistics(socket, document, nil)
	if answer == nil {
		return b
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.calls = append(b.calls, r.URL.String())
		b.mu.Unlock()
		answer(w, r)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return b
}

func answers(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/stats" {
		fmt.Fprint(w, statNames)
		return
	}
	fmt.Fprint(w, plainStats)
}

func (b *statBed) text(t *testing.T) string {
	t.Helper()
	page, done, err := b.Read(t.Context())
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := page.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStatistics(t *testing.T) {
	b := newStatBed(t, bootstrap.StatsTags{}, answers)
	for range 2 {
		if got := b.text(t); !strings.HasPrefix(got, "# TYPE envoy_cluster_upstream_cx_total counter\nenvoy_cluster_upstream_cx_total{") || !strings.Contains(got, `consul_destination_service="api"`) {
			t.Errorf("%s", got)
		}
	}
	if got := strings.Join(b.asked(), " "); got != "/stats/prometheus /stats /stats/prometheus" {
		t.Errorf("asked: %s", got)
	}
	// Another document, as one that is written for a later life: its tags count from then on.
	doc := []byte(`{"stats_config":{"stats_tags":[{"tag_name":"a","fixed_value":"b"}]}}`)
	if err := os.WriteFile(b.document, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	if b.text(t); len(b.asked()) != 5 || len(b.tags) != 1 {
		t.Errorf("asked: %s", b.asked())
	}
}

// Only what is wanted is passed on, whoever has named it; of the user's own names everything is.
func TestStatisticsThatAreWanted(t *testing.T) {
	const text = "# TYPE envoy_cluster_upstream_cx_total counter\nenvoy_cluster_upstream_cx_total{} 3\n\n# TYPE envoy_runtime_num_keys gauge\nenvoy_runtime_num_keys{} 0\n"
	for _, tags := range []bootstrap.StatsTags{{}, bootstrap.AllStatsTags()} {
		b := newStatBed(t, tags, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/stats" {
				fmt.Fprint(w, text)
			}
		})
		b.keep = func(name string) bool { return name == "envoy_cluster_upstream_cx_total" }
		if got := b.text(t); !strings.Contains(got, "upstream_cx_total") || strings.Contains(got, "runtime") {
			t.Errorf("%+v: %s", tags, got)
		}
		if err := os.WriteFile(b.document, []byte(`{"stats_config":{"stats_tags":[{"tag_name":"mine","regex":"^(x)"}]}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := b.text(t); got != text {
			t.Errorf("of the user's document: %s", got)
		}
	}
}

// Where the document has the expressions, what Envoy prints is passed on as it is.
func TestStatisticsOfConsulsDocument(t *testing.T) {
	b := newStatBed(t, bootstrap.AllStatsTags(), answers)
	if got := b.text(t); got != plainStats || len(b.asked()) != 1 {
		t.Errorf("%s %s", b.asked(), got)
	}
}

func TestStatisticsThatCannotBeHad(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc // nil: nobody listens
		want   string
	}{
		{"no Envoy", nil, "no such file"},
		{"it refuses", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, "/stats/prometheus: status 404"},
		{"it refuses names", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stats" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			answers(w, r)
		}, "/stats: status 503"},
		{"it answers something else", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<html>") }, "line 1"},
		{"it answers without end", func(w http.ResponseWriter, r *http.Request) {
			line := []byte("#" + strings.Repeat("x", 60<<10) + "\n")
			for r.Context().Err() == nil {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, "request body too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newStatBed(t, bootstrap.StatsTags{}, c.answer)
			page, done, err := b.Read(t.Context())
			done()
			if page != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	b := newStatBed(t, bootstrap.StatsTags{}, answers)
	if err := os.Remove(b.document); err != nil {
		t.Fatal(err)
	}
	if _, done, err := b.Read(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	} else {
		done()
	}
}

// An Envoy that hangs costs its time limit, and so do scrapes of which the reader hangs: no more
// than two answers are held, and the next one is told.
func TestStatisticsAreBounded(t *testing.T) {
	began := make(chan struct{}, 2)
	hang := newStatBed(t, bootstrap.StatsTags{}, func(_ http.ResponseWriter, r *http.Request) { began <- struct{}{}; <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, done, err := hang.Read(ctx)
		done()
		ended <- err
	}()
	<-began
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("its asker is gone: %v", err)
	}
	if _, done, err := hang.Read(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it hangs: %v", err)
	} else {
		done()
	}
	b := newStatBed(t, bootstrap.StatsTags{}, answers)
	var all []func()
	for range scrapeSlots {
		_, done, err := b.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, done)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, done, err := b.Read(ctx); err == nil {
		t.Error("a third one is not refused")
	} else {
		done()
	}
	for _, done := range all {
		done()
	}
	if b.text(t) == "" {
		t.Error("no statistics once the others have ended")
	}
}
