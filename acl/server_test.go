package acl

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/reconcile"
)

func TestServerSettings(t *testing.T) {
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}))
	for _, tt := range []struct {
		name, addr, ca string
		warning, err   string
	}{
		{"no address", "", "", "", "CONSUL_HTTP_ADDR: give the address"},
		{"a CA, no scheme", "127.0.0.1:8500", ca, "", `CONSUL_HTTP_ADDR: "127.0.0.1:8500" is plain http, though CONSUL_CACERT_PEM gives a CA: write https://127.0.0.1:8500, or remove the CA`},
		{"a CA, http", "http://consul:8500", ca, "", "write https://consul:8500, or remove the CA"},
		{"a CA, https", "https://consul:8501", ca, "", ""},
		{"a CA, a socket", "unix:///consul.sock", ca, "", ""},
		{"a bad CA", "https://consul:8501", "no", "", "CONSUL_CACERT_PEM: not a PEM certificate"},
		{"a bad scheme", "ftp://consul", "", "", "CONSUL_HTTP_ADDR: Unknown protocol scheme"},
		{"loopback", "127.4.5.6:8500", "", "", ""},
		{"loopback 6", "http://[::1]:8500/consul", "", "", ""},
		{"localhost", "http://localhost:8500", "", "", ""},
		{"a name", "consul:8500", "", "CONSUL_HTTP_ADDR: consul is reached by plain http", ""},
		{"an address", "http://10.0.0.1:8500/consul", "", "CONSUL_HTTP_ADDR: 10.0.0.1 is reached by plain http", ""},
		{"an address 6", "http://[2001:db8::1]:8500", "", "2001:db8::1 is reached", ""},
		{"looks like loopback", "http://127.0.0.1.example.com:8500", "", "is reached by plain http", ""},
	} {
		_, warning, err := Server{Address: tt.addr, CAPEM: tt.ca}.Client()
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
		if (warning == "") != (tt.warning == "") || !strings.Contains(warning, tt.warning) {
			t.Errorf("%s: warning %q, want %q", tt.name, warning, tt.warning)
		}
	}
}

// TestTokenFollowsNoRedirect sends the controller's calls, with and without a
// body, to somewhere else: nothing arrives there.
func TestTokenFollowsNoRedirect(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			t.Errorf("%d was followed: %s %s with token %q and %q", code, r.Method, r.URL, r.Header.Get("X-Consul-Token"), body)
		}))
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, code)
		}))
		client, _, err := Server{Address: server.URL, Token: "management"}.Client()
		if err != nil {
			t.Fatal(err)
		}
		c := consulACL{client, ""}
		if _, err := c.Tokens(t.Context()); err == nil {
			t.Errorf("%d: a list of tokens", code)
		}
		if err := c.PutToken(t.Context(), reconcile.Token{AccessorID: "a", SecretID: "the-secret"}); err == nil {
			t.Errorf("%d: a token was put", code)
		}
		if _, _, err := client.KV().Get("k", &api.QueryOptions{}); err == nil {
			t.Errorf("%d: a key was read", code)
		}
		if asked != 3 {
			t.Errorf("%d: %d requests were made", code, asked)
		}
		server.Close()
		elsewhere.Close()
	}
}

// TestTLSServerName reaches a server whose certificate is for another name.
func TestTLSServerName(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake is refused on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for name, want := range map[string]bool{"": true, "example.com": true, "other.example.org": false} {
		client, _, err := Server{Address: server.URL, CAPEM: ca, TLSServerName: name}.Client()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (consulACL{client, ""}).Tokens(t.Context()); (err == nil) != want {
			t.Errorf("server name %q: %v", name, err)
		}
	}
}
