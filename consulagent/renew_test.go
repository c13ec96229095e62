package consulagent

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"meshtask/internal/testbed/consulfake"
)

const accessorMeta = "accessor"

// registrations are what f was told: ID, token and the token that its meta names.
func registrations(t *testing.T, f *servers) (all []string) {
	for _, call := range f.Calls("PUT /v1/agent/service/register") {
		var s api.AgentServiceRegistration
		if err := json.Unmarshal([]byte(call.Body), &s); err != nil {
			t.Error(err)
		}
		all = append(all, s.ID+" "+call.Token+" "+s.Meta[accessorMeta])
	}
	return all
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
	if err := c.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	held := f.Count("PUT /v1/agent/service/maintenance/")
	if err := c.Renew(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if n := f.Count("PUT /v1/agent/service/maintenance/"); held != 2 || n != held {
		t.Errorf("maintenance mode was set %d times by the registration and %d by the renewal, want 2 and 0", held, n-held)
	}
	want := []string{"web-1 secret of-secret", "web-1-sidecar-proxy secret mine", "web-1 other of-other", "web-1-sidecar-proxy other mine"}
	if diff := cmp.Diff(want, registrations(t, f)); diff != "" {
		t.Errorf("registered (-want +got):\n%s", diff)
	}
}

// Without ACLs a service is as consul-ecs registers it.
func TestNoAccessorWithoutACLs(t *testing.T) {
	for name, token := range map[string]string{"no token": "", "a token for nothing": "secret"} {
		f := newServers(t)
		f.With(func(s *consulfake.State) { s.Tokens = nil })
		client := newTestClient(t, f, func(cfg *ClientConfig) {
			cfg.AccessorMeta, cfg.Token = accessorMeta, func() string { return token }
		})
		if err := client.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"web-1 " + token + " ", "web-1-sidecar-proxy " + token + " "}
		if diff := cmp.Diff(want, registrations(t, f)); diff != "" {
			t.Errorf("%s: registered (-want +got):\n%s", name, diff)
		}
	}
}
