package envoy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// watchedEnvoy is an admin interface as a look asks for it.
type watchedEnvoy struct {
	listeners, certs string
	stats            map[string]int64
	details          string // of a refused listener
}

func (f *watchedEnvoy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/listeners":
		var all []string
		for l := range strings.FieldsSeq(f.listeners) {
			host, port, _ := strings.Cut(l, ":")
			all = append(all, fmt.Sprintf(`{"name":"l","local_address":{"socket_address":{"address":%q,"port_value":%s}}}`, host, port))
		}
		fmt.Fprintf(w, `{"listener_statuses":[%s]}`, strings.Join(all, ","))
	case "/stats":
		var all []string
		for name, n := range f.stats {
			all = append(all, fmt.Sprintf(`{"name":%q,"value":%d}`, name, n))
		}
		fmt.Fprintf(w, `{"stats":[%s]}`, strings.Join(all, ","))
	case "/certs":
		fmt.Fprint(w, f.certs)
	case "/config_dump":
		fmt.Fprintf(w, `{"configs":[{"name":"public_listener","error_state":{"details":%q}}]}`, f.details)
	}
}

func TestWatch(t *testing.T) {
	f := &watchedEnvoy{listeners: "127.0.0.1:9191 127.0.0.1:9192", stats: map[string]int64{
		"cluster.api.default.dc1.internal.x.consul.membership_total": 2, "cluster.api.default.dc1.internal.x.consul.membership_healthy": 1,
		"cluster.db.default.dc1.internal.x.consul.membership_total": 0, "cluster.db.default.dc1.internal.x.consul.membership_healthy": 0,
		"cluster.api-v2.default.dc1.internal.x.consul.membership_total": 7, "listener_manager.lds.update_success": 1,
	}, certs: `{"certificates":[{"cert_chain":[{"expiration_time":"2126-01-01T00:00:00Z"}]}]}`}
	server := httptest.NewServer(f)
	defer server.Close()
	w := &Watch{Admin: NewAdmin(strings.TrimPrefix(server.URL, "http://")), Upstreams: []Upstream{
		{"api", "api", "127.0.0.1:9191"}, {"db", "db", "127.0.0.1:9192"}, {"gone", "gone", "127.0.0.1:9193"}, {"redirected", "redirected", "127.0.0.1:9191"}}}
	look := func() string {
		t.Helper()
		seen, err := w.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var failing []string
		for _, c := range seen {
			if !c.OK {
				failing = append(failing, c.Name+" "+string(c.Code))
			} else if c.Code != "" || c.Reason != "" {
				t.Errorf("it holds, with a reason: %+v", c)
			}
		}
		if len(seen) != 6 {
			t.Errorf("%d conditions, want 6: %+v", len(seen), seen)
		}
		return strings.Join(failing, ", ")
	}
	at := func(d time.Duration) string {
		return `{"certificates":[{"cert_chain":[{"expiration_time":"` + time.Now().Add(d).UTC().Format(time.RFC3339) + `"}]}]}`
	}
	of := func(from, to time.Duration) string {
		when := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		return `{"certificates":[{"cert_chain":[{"valid_from":"` + when(from) + `","expiration_time":"` + when(to) + `"}]}]}`
	}
	unwell := "upstream:db upstream-no-instance, upstream:gone upstream-not-bound"
	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"at first", func() {}, unwell},
		{"an update is refused", func() { f.stats["listener_manager.lds.update_rejected"], f.details = 1, "Proto constraint" }, "envoy-config-accepted envoy-update-refused, " + unwell},
		{"still", func() {}, "envoy-config-accepted envoy-update-refused, " + unwell},
		{"the next is not", func() { f.stats["listener_manager.lds.update_success"] = 2 }, unwell},
		{"Envoy was restarted", func() { f.stats["listener_manager.lds.update_rejected"] = 0 }, unwell},
		{"no instance of api is healthy", func() { f.stats["cluster.api.default.dc1.internal.x.consul.membership_healthy"] = 0 }, "upstream:api upstream-no-instance, " + unwell},
		{"one of a hashed cluster is", func() {
			f.stats["cluster.abc~api.default.dc1.internal.x.consul.membership_healthy"] = 1
		}, unwell},
		{"the certificate ends soon", func() { f.certs = at(30 * time.Minute) }, unwell + ", certificate certificate-expires"},
		{"and is renewed", func() { f.certs = at(2 * time.Hour) }, unwell},
		{"one that lives an hour is young", func() { f.certs = of(-10*time.Minute, 50*time.Minute) }, unwell},
		{"and old", func() { f.certs = of(-58*time.Minute, 2*time.Minute) }, unwell + ", certificate certificate-expires"},
	} {
		step.change()
		if got := look(); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	server.Close()
	if seen, err := w.Look(t.Context()); err == nil {
		t.Errorf("nobody answers, and it has seen %+v", seen)
	}
}
