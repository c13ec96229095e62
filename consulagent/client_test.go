package consulagent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/faulty"
)

func newTestClient(t *testing.T, f *servers, change func(*ClientConfig)) *Client {
	t.Helper()
	cfg := ClientConfig{Address: f.Listener.Addr().String(), Node: "ecs-1", Token: func() string { return "secret" },
		Registration: registration.Registration{TaskID: "1", Name: "web", Port: 80, Containers: []string{"app"}}}
	if change != nil {
		change(&cfg)
	}
	c := NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

// last is the latest of the calls that begin so.
func last(f *servers, line string) (call faulty.Call) {
	for _, call = range f.Calls(line) {
	}
	return call
}

// The token may change from call to call. What the library would take from the environment
// is what we give it (the program takes the tokens out, see main), or is not looked at.
func TestEachCallHasTheTokenOfNow(t *testing.T) {
	for name, value := range map[string]string{"CONSUL_CACERT": "-----BEGIN", "CONSUL_HTTP_ADDR": "192.0.2.1:1", "CONSUL_HTTP_SSL": "true"} {
		t.Setenv(name, value)
	}
	f := newServers(t)
	token := "one"
	c := newTestClient(t, f, func(cfg *ClientConfig) { cfg.Token = func() string { return token } })
	for _, token = range []string{"one", "two", ""} {
		if leader, err := c.Leader(t.Context()); err != nil || leader == "" {
			t.Fatal(leader, err)
		}
		if got := last(f, "GET /v1/status/leader").Token; got != token {
			t.Errorf("token %q, want %q", got, token)
		}
	}
}

func TestClientCalls(t *testing.T) {
	f := newServers(t)
	c := newTestClient(t, f, func(cfg *ClientConfig) { cfg.Registration.Checks = api.AgentServiceChecks{{Name: "x", TCP: "x"}} })
	f.With(func(s *consulfake.State) { s.Checks["web-1-app-consul-ecs"] = &consulfake.Check{} })
	ctx := t.Context()
	for _, err := range []error{
		c.Register(ctx), c.AddListenerCheck(ctx, ""), c.UpdateTTL(ctx, "web-1-app-consul-ecs", "passing", "fine"),
		c.Maintenance(ctx, "web-1", false, ""), c.RemoveFromCatalog(ctx),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if result, err := c.Deregister(ctx); result != registration.Verified {
		t.Errorf("%s, %v", result, err)
	}
	// With native checks each is put into maintenance before the next is registered.
	want := []string{
		"GET /v1/acl/token/self", "PUT /v1/agent/service/register", "PUT /v1/agent/service/maintenance/web-1",
		"PUT /v1/agent/service/register", "PUT /v1/agent/service/maintenance/web-1-sidecar-proxy",
		"PUT /v1/agent/check/register", "PUT /v1/agent/check/update/web-1-app-consul-ecs", "PUT /v1/agent/service/maintenance/web-1",
		"PUT /v1/catalog/deregister", "PUT /v1/catalog/deregister",
		"PUT /v1/agent/service/deregister/web-1-sidecar-proxy", "PUT /v1/agent/service/deregister/web-1",
		"GET /v1/agent/services", "GET /v1/catalog/node-services/ecs-1",
	}
	var calls []string
	for _, call := range f.Calls("") {
		calls = append(calls, call.Line)
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	var update map[string]string
	if err := json.Unmarshal([]byte(last(f, "PUT /v1/agent/check/update/web-1-app-consul-ecs").Body), &update); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"Status": "passing", "Output": "fine"}, update); diff != "" {
		t.Error(diff)
	}
}

// While the check of the listener is replaced an agent does not have it for a moment: whoever looks
// then would take that for a lost registration.
func TestTheListenersCheckIsNotMissedWhileItIsReplaced(t *testing.T) {
	f := newServers(t)
	c := newTestClient(t, f, func(cfg *ClientConfig) {
		cfg.Registration.Gateway = &registration.Gateway{Kind: api.ServiceKindMeshGateway}
	})
	look := func() map[string]string {
		statuses, err := c.Checks(t.Context())
		if err != nil {
			t.Error(err)
		}
		return statuses
	}
	id := c.cfg.Registration.ListenerID()
	if _, there := look()[id]; there {
		t.Error("it is there before it was registered")
	}
	between := map[string]string{}
	f.Fail("/v1/agent/check/register", faulty.Fault{Do: func() { between = look() }})
	if err := c.AddListenerCheck(t.Context(), "127.0.0.1:8443"); err != nil {
		t.Fatal(err)
	}
	if between[id] != api.HealthCritical {
		t.Errorf("while it was replaced: %v", between)
	}
	f.With(func(s *consulfake.State) { clear(s.Checks) })
	if _, there := look()[id]; there {
		t.Error("it is there when the agent has lost it")
	}
}

func TestRegisterFaults(t *testing.T) {
	const register = "/v1/agent/service/register"
	for name, c := range map[string]struct {
		path  string
		fault faulty.Fault
		heals bool
		want  string // in the error, when it does not heal
		calls int    // at most
	}{
		"no leader for a while":     {path: register, fault: noLeader, heals: true},
		"a token not known yet":     {path: "/v1/acl/token/self", fault: unknownToken, heals: true},
		"not known to the agent":    {path: register, fault: unknownToken, heals: true},
		"denied":                    {path: register, fault: forbidden, want: `needs service:write on "web" and "web-sidecar-proxy"`, calls: 1},
		"a payload that is wrong":   {path: register, fault: faulty.Answer(http.StatusBadRequest, "Missing service name"), want: "register web-1: the agent answers 400", calls: 1},
		"no leader until the end":   {path: register, fault: noLeader, want: "register web-1: the agent answers 500: No cluster leader", calls: 100},
		"no answer until the end":   {path: register, fault: faulty.Fault{Hang: true}, want: "the agent cannot be reached", calls: 100},
		"not a token until the end": {path: "/v1/acl/token/self", fault: unknownToken, want: "not known to Consul (yet)", calls: 100},
	} {
		t.Run(name, func(t *testing.T) {
			f := newServers(t)
			f.Fail(c.path, c.fault)
			var why []string
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client := newTestClient(t, f, func(cfg *ClientConfig) {
				if c.fault.Hang {
					cfg.Timeout = 100 * time.Millisecond
				}
				cfg.Report = func(e event.Event) {
					if w, ok := e.(event.Waiting); ok {
						why = append(why, w.What+w.Err)
					}
					switch {
					case len(why) != 2:
					case c.heals:
						f.Fail(c.path, faulty.Fault{})
					default: // the end
						cancel()
					}
				}
			})
			err := client.Register(ctx)
			switch {
			case c.heals && err != nil:
				t.Error(err)
			case !c.heals && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error holds the token: %v", err)
			}
			if n := f.Count("PUT " + c.path); !c.heals && n > c.calls {
				t.Errorf("it was tried %d times", n)
			}
		})
	}
}

func TestRegisterWithATokenForNothing(t *testing.T) {
	f := newServers(t)
	f.With(func(s *consulfake.State) { s.Tokens = nil })
	c := newTestClient(t, f, func(cfg *ClientConfig) {
		cfg.Report = func(e event.Event) {
			if _, over := e.(event.WaitOver); !over {
				t.Errorf("it waits: %+v", e)
			}
		}
	})
	if err := c.Register(t.Context()); err != nil {
		t.Error(err)
	}
}

// untilItWaits ends a call at its first failed try.
func untilItWaits(cancel func()) event.Report {
	return func(e event.Event) {
		if _, waits := e.(event.Waiting); waits {
			cancel()
		}
	}
}

// What no agent can have needs no deregistration.
func TestSentIsWhatTheAgentMayHave(t *testing.T) {
	for name, c := range map[string]struct {
		fault faulty.Fault
		want  bool
	}{
		"taken":      {faulty.Fault{}, true},
		"forbidden":  {forbidden, false},
		"unknown":    {unknownToken, false},
		"bad":        {faulty.Answer(http.StatusBadRequest, ""), false},
		"broken":     {faulty.Answer(http.StatusInternalServerError, "rpc error"), true},
		"unanswered": {faulty.Fault{Hang: true}, true},
	} {
		f := newServers(t)
		f.Fail("/v1/agent/service/register", c.fault)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		client := newTestClient(t, f, func(cfg *ClientConfig) {
			if c.fault.Hang {
				cfg.Timeout = 200 * time.Millisecond
			}
			cfg.Report = untilItWaits(cancel)
		})
		if client.Sent() {
			t.Errorf("%s: before anything was", name)
		}
		_ = client.Register(ctx) // what became of it is asked
		cancel()
		if client.Sent() != c.want {
			t.Errorf("%s: %v, want %v", name, client.Sent(), c.want)
		}
	}
	f := newServers(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := newTestClient(t, f, func(cfg *ClientConfig) { cfg.Report = untilItWaits(cancel) })
	f.Close()
	if _ = client.Register(ctx); client.Sent() {
		t.Error("an agent that is not there has taken it")
	}
}

func TestDeregisterFaults(t *testing.T) {
	for name, c := range map[string]struct {
		path  string
		fault faulty.Fault
		want  registration.Result
	}{
		"already gone":         {"/v1/agent/service/deregister/", faulty.Answer(http.StatusNotFound, ""), registration.Verified},
		"refused":              {"/v1/agent/service/deregister/", forbidden, registration.Unverified},
		"no list":              {"/v1/agent/services", faulty.Answer(http.StatusInternalServerError, "it broke"), registration.Unverified},
		"catalog unreachable":  {"/v1/catalog/", noLeader, registration.Unverified},
		"the agent is stopped": {"/v1/", faulty.Fault{Hang: true}, registration.Unverified},
	} {
		f := newServers(t)
		f.Fail(c.path, c.fault)
		client := newTestClient(t, f, func(cfg *ClientConfig) { cfg.Timeout = 200 * time.Millisecond })
		result, err := client.Deregister(t.Context())
		if result != c.want || (err != nil) != (c.want == registration.Unverified) {
			t.Errorf("%s: %s, %v; want %s", name, result, err, c.want)
		}
	}
}

// What the agent has after all is said to be there; it is not asked for what it has not, which
// it would log as an error.
func TestDeregisterOfWhatStays(t *testing.T) {
	f := newServers(t)
	client := newTestClient(t, f, nil)
	if err := client.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.With(func(s *consulfake.State) { s.Stays = true })
	result, err := client.Deregister(t.Context())
	if result != registration.Unverified || err == nil || !strings.Contains(err.Error(), "the agent still has web-1-sidecar-proxy and web-1") {
		t.Errorf("%s, %v", result, err)
	}
	if n := f.Count("PUT /v1/agent/service/deregister/"); n != 2*deregisterTries {
		t.Errorf("%d deregistrations, want %d", n, 2*deregisterTries)
	}
	if n := f.Count("GET /v1/agent/service/"); n > 0 {
		t.Errorf("it was asked %d times for a service", n)
	}
}

// A registration that was cut arrives after the first deregistration.
func TestDeregisterOvertakesALateRegistration(t *testing.T) {
	f := newServers(t)
	if err := newTestClient(t, f, nil).Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.With(func(s *consulfake.State) { s.Stays = true })
	c := newTestClient(t, f, nil)
	done := make(chan error, 1)
	go func() {
		_, err := c.Deregister(t.Context())
		done <- err
	}()
	eventually.True(t, "a second deregistration", func() bool {
		return f.Count("PUT /v1/agent/service/deregister/web-1-sidecar-proxy") == 2
	})
	f.With(func(s *consulfake.State) { s.Stays = false })
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A registration in flight is not abandoned to land later; one that hangs is.
func TestRegisterIsCutBetweenCalls(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{"slow": {Delay: 50 * time.Millisecond}, "hanging": {Hang: true}} {
		f := newServers(t)
		f.Fail("/v1/agent/service/register", fault)
		c := newTestClient(t, f, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Register(ctx) }()
		eventually.True(t, "a registration", func() bool { return f.Count("PUT /v1/agent/service/register") == 1 })
		cancel()
		if err := <-done; err == nil && fault.Hang {
			t.Errorf("%s: %v", name, err)
		}
		if n := f.Count("PUT /v1/agent/service/register"); n > 2 || fault.Hang && n > 1 {
			t.Errorf("%s: %d registrations", name, n)
		}
	}
}

// A body without end does not fill our memory, and one that is no JSON is an error.
func TestAnswersAreBounded(t *testing.T) {
	f := newServers(t)
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := strings.Repeat("x", 1<<20); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	c := newTestClient(t, f, func(cfg *ClientConfig) { cfg.Timeout = patience })
	if _, err := c.Checks(t.Context()); err == nil || !strings.Contains(err.Error(), "not understood") {
		t.Errorf("got %v", err)
	}
}

func TestLines(t *testing.T) {
	var out []string
	l := newLines("warn", func(_ int, level hclog.Level, line string) { out = append(out, level.String()+" "+line) })
	for _, line := range []string{
		"==> Starting Consul agent...", "           Version: '1.22.6'",
		"2026-11-24T21:37:00.123Z [INFO]  agent: Consul agent running!",
		"2026-11-24T21:37:00.123Z [WARN]  agent: Join cluster failed, will retry: cluster=LAN",
		"  error=", "  | 1 error occurred:", `  | \t* refused`,
		"2026-11-24T21:37:00.123Z [ERROR] agent.http: Request error: error=\"No known Consul servers\"",
		"2026-11-24T21:37:00.123Z [DEBUG] agent: [WARN] quoted",
		`2026-11-24T21:37:00.123Z [ERROR] agent.envoy: Error receiving new DeltaDiscoveryRequest; closing request channel: error="rpc error: code = Canceled desc = context canceled"`,
	} {
		l.line(1, []byte(line))
	}
	l.line(2, []byte("==> bad flag"))
	now, _ := l.state()
	if now.version != "1.22.6" || !now.running || now.joined || now.refused.IsZero() || now.leaving {
		t.Errorf("events %+v", now)
	}
	if diff := cmp.Diff([]string{"agent: Join cluster failed, will retry: cluster=LAN error= 1 error occurred: * refused", "bad flag"}, now.trouble); diff != "" {
		t.Errorf("trouble (-want +got):\n%s", diff)
	}
	if len(out) != 6 || !strings.HasPrefix(out[3], `warn   | \t* refused`) || out[5] != "unknown ==> bad flag" && !strings.HasSuffix(out[5], "==> bad flag") {
		t.Errorf("passed on: %q", out)
	}
}

// What an agent tells of itself depends on what a token may ask.
func TestAbout(t *testing.T) {
	const self = `{"Config":{"Version":"1.22.6"},"xDS":{"SupportedProxies":{"envoy":["1.35.8","1.34.12"]}}}`
	const members = `[{"Name":"other","Tags":{"build":"1.18.2:"}},{"Name":"ecs-1","Tags":{"build":"1.21.4+ent:abc"}}]`
	for name, c := range map[string]struct {
		may  map[string]string // the token that each path takes; "any" is all
		want About
		bad  bool
	}{
		"no ACLs":                    {map[string]string{"/v1/agent/self": "any", "/v1/agent/members": "any"}, About{"1.22.6", []string{"1.35.8", "1.34.12"}}, false},
		"the agent's token may":      {map[string]string{"/v1/agent/self": "agent", "/v1/agent/members": "any"}, About{"1.22.6", []string{"1.35.8", "1.34.12"}}, false},
		"the service's token may":    {map[string]string{"/v1/agent/self": "service", "/v1/agent/members": "any"}, About{"1.22.6", []string{"1.35.8", "1.34.12"}}, false},
		"no token has agent:read":    {map[string]string{"/v1/agent/members": "service"}, About{Version: "1.21.4+ent"}, false},
		"no token may read anything": {nil, About{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if may := c.may[r.URL.Path]; may != "any" && (may == "" || may != r.Header.Get("X-Consul-Token")) {
					http.Error(w, "Permission denied", http.StatusForbidden)
					return
				}
				io.WriteString(w, map[string]string{"/v1/agent/self": self, "/v1/agent/members": members}[r.URL.Path])
			}))
			defer server.Close()
			client := NewClient(ClientConfig{Address: server.Listener.Addr().String(), Node: "ecs-1",
				Token: func() string { return "service" }, AgentToken: func() string { return "agent" }})
			defer client.Close()
			got, err := client.About(t.Context())
			if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != c.bad {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
