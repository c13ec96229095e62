package registration

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestDecided(t *testing.T) {
	allow, deny := api.IntentionActionAllow, api.IntentionActionDeny
	list := []*api.Intention{{DestinationName: "api", Action: deny}, {DestinationName: "db", Permissions: []*api.IntentionPermission{{Action: deny}}}, {DestinationName: "*", Action: allow}}
	for destination, want := range map[string]api.IntentionAction{"api": deny, "db": allow, "other": allow} {
		if got := decided(list, destination); got != want {
			t.Errorf("%s: %q, want %q", destination, got, want)
		}
	}
	if got := decided(list[:2], "other"); got != "" {
		t.Errorf("no intention speaks of it: %q", got)
	}
}

// answers are what the agent says to each path; a status is the first word.
func watchOf(t *testing.T, answers map[string]string) *Watch {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		code, text, _ := strings.Cut(answer, " ")
		status := 200
		_, _ = fmt.Sscan(code, &status)
		if !ok {
			status, text = 404, "no such path"
		}
		w.Header().Set("X-Consul-Index", "7")
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	r := Registration{TaskID: "1", Name: "web"}
	caller := NewCaller(CallerConfig{Address: strings.TrimPrefix(server.URL, "http://"), Token: func() string { return "s" }, Registration: r})
	return &Watch{Asker: caller, Registration: r, Node: func(context.Context) (string, error) { return "n", nil }, Token: caller.Token,
		AgentToken: func() string { return "a" }, ACLs: true, Upstreams: []string{"api", "db", "other"}}
}

func TestWatchTheServers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{
		"a leader":  {`200 "10.0.0.1:8300"`, true},
		"none":      {`200 ""`, false},
		"no server": {`500 No known Consul servers`, false},
	} {
		got := watchOf(t, map[string]string{"/v1/status/leader": c.answer}).Servers(t.Context())
		if got.OK != c.ok || !got.OK && (got.Code == "" || got.Reason == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWatchTheInstance(t *testing.T) {
	const self, node = "/v1/acl/token/self", "/v1/health/node/n"
	good := `200 [{"CheckID":"serfHealth","Status":"critical"},{"CheckID":"c","ServiceID":"web-1","Status":"passing"},{"CheckID":"p","ServiceID":"web-1-sidecar-proxy","Status":"passing"}]`
	for name, c := range map[string]struct {
		token, checks string
		want          string // what does not hold; "-" before a name that is not seen
	}{
		"well":                 {`200 {"AccessorID":"x"}`, good, ""},
		"unknown tokens":       {`403 ACL not found`, good, "service-token agent-token"},
		"ACLs are off":         {`401 ACL support disabled`, good, "-service-token -agent-token"},
		"a check fails":        {`200 {"AccessorID":"x"}`, strings.Replace(good, `proxy","Status":"passing"`, `proxy","Status":"critical"`, 1), "checks-passing"},
		"nothing is listed":    {`200 {"AccessorID":"x"}`, `200 [{"CheckID":"serfHealth","Status":"passing"}]`, "registered -checks-passing"},
		"the servers are away": {`500 No known Consul servers`, `500 No known Consul servers`, "-service-token -agent-token -registered -checks-passing"},
	} {
		seen := map[string]bool{}
		var got []string
		for _, condition := range watchOf(t, map[string]string{self: c.token, node: c.checks}).Instance(t.Context()) {
			seen[condition.Name] = true
			if !condition.OK {
				got = append(got, condition.Name)
			}
		}
		for _, all := range []string{"service-token", "agent-token", "registered", "checks-passing"} {
			if !seen[all] {
				got = append(got, "-"+all)
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

// The checks of a job without a port are critical for life.
func TestWatchAJob(t *testing.T) {
	w := watchOf(t, map[string]string{"/v1/health/node/n": `200 [{"CheckID":"c","ServiceID":"web-1","Status":"critical"}]`})
	w.Never, w.ACLs = true, false
	if got := w.Instance(t.Context()); len(got) != 1 || got[0].Name != "registered" || !got[0].OK {
		t.Errorf("%+v", got)
	}
}

func TestWatchTheIntentions(t *testing.T) {
	const match, check = "/v1/connect/intentions/match", "/v1/connect/intentions/check"
	list := `200 {"web":[{"SourceName":"web","DestinationName":"api","Action":"deny"},{"SourceName":"*","DestinationName":"db","Action":"allow"}]}`
	for name, c := range map[string]struct {
		match, check string
		want         string
		ok           bool
	}{
		"denied and allowed":  {list, `200 {"Allowed":true}`, "api", true},
		"denied by default":   {list, `200 {"Allowed":false}`, "api other", true},
		"the token may not":   {`403 Permission denied`, ``, "", false},
		"nor ask for default": {list, `403 Permission denied`, "", false},
	} {
		w := watchOf(t, map[string]string{match: c.match, check: c.check})
		denied, ok := w.Denied(t.Context())
		var got []string
		for _, name := range w.Upstreams {
			if denied[name] {
				got = append(got, name)
			}
		}
		if text := strings.Join(got, " "); ok != c.ok || text != c.want {
			t.Errorf("%s: %q, %v", name, text, ok)
		}
	}
}
