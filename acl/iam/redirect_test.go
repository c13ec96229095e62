package iam_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"meshtask/acl/iam"
)

// stranger is where a redirect points: it notes what reaches it.
type stranger struct {
	mu  sync.Mutex
	got []string
}

func (s *stranger) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, r.Method+" "+r.URL.Path+" token "+r.Header.Get("X-Consul-Token")+" body "+string(body))
}

// diverted is inner, but answers one path with a redirect.
func diverted(t *testing.T, to string, status int, path string, inner http.Handler) *httptest.Server {
	t.Helper()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path == r.URL.Path {
			http.Redirect(w, r, to+r.URL.Path, status)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(elsewhere.Close)
	return elsewhere
}

// Neither the proof, nor the token, nor the signed question to STS goes to where
// a redirect points.
func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		for _, path := range []string{"/v1/acl/login", "/v1/acl/token/self", "/v1/acl/logout", "sts"} {
			s := &stranger{}
			there := httptest.NewServer(s)
			t.Cleanup(there.Close)
			c, cfg := start(t)
			if path == "sts" {
				cfg.STSEndpoint = diverted(t, there.URL, status, "/", http.NotFoundHandler()).URL
			} else {
				cfg.Server = diverted(t, there.URL, status, path, c).URL
			}
			cl := client(t, cfg)
			var err error
			if path == "/v1/acl/logout" {
				var token iam.Token
				if token, err = cl.Login(t.Context(), time.Minute); err != nil {
					t.Fatal(err)
				}
				err = cl.Logout(t.Context(), token, time.Millisecond)
			} else {
				_, err = cl.Login(t.Context(), time.Millisecond)
			}
			if err == nil {
				t.Errorf("%s answers %d, and that is taken for success", path, status)
			}
			s.mu.Lock()
			for _, got := range s.got {
				t.Errorf("%s answers %d: followed: %s", path, status, got)
			}
			s.mu.Unlock()
		}
	}
}

// A CA that nobody would use is refused: the request would go in the clear.
func TestCAWithoutHTTPS(t *testing.T) {
	_, cfg := start(t)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	cfg.CAPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	for _, server := range []string{"consul.example.com:8500", "http://consul.example.com:8500"} {
		cfg.Server = server
		if _, err := iam.New(cfg); err == nil || !strings.Contains(err.Error(), server) || !strings.Contains(err.Error(), "https://") {
			t.Errorf("%s: %v", server, err)
		}
	}
	cfg.Server = "https://consul.example.com:8501"
	if c, err := iam.New(cfg); err != nil {
		t.Errorf("https: %v", err)
	} else {
		c.Close()
	}
}
