package consulapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestNoRedirectIsFollowed(t *testing.T) {
	var asked atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Add(1) }))
	defer thief.Close()
	for _, code := range []int{301, 302, 307, 308} {
		gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL+r.URL.Path, code)
		}))
		defer gate.Close()
		client, _, err := New(Config{Address: strings.TrimPrefix(gate.URL, "http://"), Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Status().Leader(); err == nil {
			t.Errorf("%d: a redirect is an answer", code)
		}
		if err := client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web"}); err == nil {
			t.Errorf("%d: a redirect is a registration", code)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d calls were sent on", n)
	}
}

func TestAnAnswerWithoutEndIsAnError(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`"`))
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat("x", 1<<16))); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	client, carrier, err := New(Config{Address: endless.URL, MaxAnswer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Status().Leader(); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
	carrier.CloseIdleConnections()
}
