package consulagent

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
)

const accessorMeta = "accessor"

// registrations has f note each registration: ID, token and the token that its meta names.
func registrations(t *testing.T, f *fakeServers) *[]string {
	var all []string
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.ServeHTTP(w, r)
		if r.URL.Path == "/v1/agent/service/register" {
			var s api.AgentServiceRegistration
			if err := json.Unmarshal([]byte(f.bodies["PUT "+r.URL.Path]), &s); err != nil {
				t.Error(err)
			}
			all = append(all, s.ID+" "+r.Header.Get("X-Consul-Token")+" "+s.Meta[accessorMeta])
		}
	})
	return &all
}

// The service says which token it was registered with, and the sidecar needs not; a
// renewal is by the token that it is given and leaves checks and maintenance alone.
func TestRenew(t *testing.T) {
	f := newServers(t)
	c := newTestClient(t, f, func(cfg *ClientConfig) {
		cfg.AccessorMeta = accessorMeta
		cfg.Registration.Checks = api.AgentServiceChecks{{Name: "x", TCP: "x"}}
		cfg.Registration.Meta = map[string]string{accessorMeta: "mine"}
	})
	got := registrations(t, f)
	if err := c.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	held := f.count("PUT /v1/agent/service/maintenance/")
	if err := c.Renew(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if n := f.count("PUT /v1/agent/service/maintenance/"); held != 2 || n != held {
		t.Errorf("maintenance mode was set %d times by the registration and %d by the renewal, want 2 and 0", held, n-held)
	}
	want := []string{"web-1 secret of-secret", "web-1-sidecar-proxy secret mine", "web-1 other of-other", "web-1-sidecar-proxy other mine"}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("registered (-want +got):\n%s", diff)
	}
}

// Without ACLs a service is as consul-ecs registers it.
func TestNoAccessorWithoutACLs(t *testing.T) {
	for name, c := range map[string]struct {
		token string
		fail  any
	}{
		"no token":          {"", nil},
		"ACLs are disabled": {"secret", http.StatusUnauthorized},
	} {
		f := newServers(t)
		if c.fail != nil {
			f.fail["/v1/acl/token/self"] = c.fail
		}
		got := registrations(t, f)
		client := newTestClient(t, f, func(cfg *ClientConfig) {
			cfg.AccessorMeta, cfg.Token = accessorMeta, func() string { return c.token }
		})
		if err := client.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"web-1 " + c.token + " ", "web-1-sidecar-proxy " + c.token + " "}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s: registered (-want +got):\n%s", name, diff)
		}
	}
}
