package acl

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	"golang.org/x/tools/txtar"
)

// enterprise answers as much of Consul Enterprise as the controller asks for,
// and records each request in the form of testdata/enterprise.txtar:
//
//	METHOD PATH partition/namespace BODY
//
// Partition and namespace are those of the query or the body, which must not
// contradict each other; "-" is none. Members of the body that are zero are left
// out, and so is white space in rules, which is free.
type enterprise struct {
	t testing.TB

	mu       sync.Mutex
	lines    []string
	tokens   map[string]map[string]any
	policies map[string]map[string]any
	spaces   []map[string]any
	services []map[string]any
}

func newEnterprise(t testing.TB) (*enterprise, *api.Client) {
	t.Helper()
	e := &enterprise{t: t, tokens: map[string]map[string]any{}, policies: map[string]map[string]any{}, spaces: []map[string]any{{"Name": "default"}}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	client, err := api.NewClient(&api.Config{Address: server.URL, Token: "token-of-the-controller", HttpClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return e, client
}

func (e *enterprise) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var body map[string]any
	if r.ContentLength > 0 {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			e.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	e.lines = append(e.lines, e.record(r, body))
	answer := e.answer(r.Method, r.URL.Path, body)
	if answer == nil {
		http.Error(w, "ACL not found: nothing there", http.StatusNotFound)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		e.t.Error(err)
	}
}

func (e *enterprise) answer(method, path string, body map[string]any) any {
	switch kind, id, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/"); {
	case path == "/v1/acl/tokens":
		return slices.Collect(maps.Values(e.tokens))
	case path == "/v1/acl/policies":
		list := []map[string]any{}
		for _, p := range e.policies {
			short := maps.Clone(p)
			delete(short, "Rules")
			list = append(list, short)
		}
		return list
	case path == "/v1/partitions":
		return []map[string]any{{"Name": "default"}}
	case path == "/v1/partition":
		return body
	case path == "/v1/namespaces":
		return e.spaces
	case path == "/v1/namespace":
		e.spaces = append(e.spaces, body)
		return body
	case path == "/v1/acl/policy":
		body["ID"] = "id-of-" + body["Name"].(string)
		e.policies[body["ID"].(string)] = body
		return body
	case path == "/v1/acl/token":
		body["CreateTime"] = time.Now().Add(-time.Hour)
		e.tokens[body["AccessorID"].(string)] = body
		return body
	case kind == "catalog":
		return e.services
	case strings.HasPrefix(id, "policy/") && method == http.MethodGet:
		return e.policies[strings.TrimPrefix(id, "policy/")]
	case strings.HasPrefix(id, "policy/"):
		delete(e.policies, strings.TrimPrefix(id, "policy/"))
		return true
	case strings.HasPrefix(id, "token/") && method == http.MethodDelete:
		delete(e.tokens, strings.TrimPrefix(id, "token/"))
		return true
	}
	return nil
}

func (e *enterprise) record(r *http.Request, body map[string]any) string {
	where := func(query, member string) string {
		in, _ := body[member].(string)
		if q := r.URL.Query().Get(query); q != "" && in != "" && q != in {
			e.t.Errorf("%s %s: %s %q in the query, %q in the body", r.Method, r.URL.Path, member, q, in)
		}
		return cmp.Or(r.URL.Query().Get(query), in, "-")
	}
	line := fmt.Sprintf("%s %s %s/%s", r.Method, r.URL.Path, where("partition", "Partition"), where("ns", "Namespace"))
	if body == nil {
		return line
	}
	shown := maps.Clone(body)
	maps.DeleteFunc(shown, func(k string, v any) bool {
		return v == nil || v == "" || v == 0.0 || v == false || v == "0001-01-01T00:00:00Z" || k == "Partition" || k == "Namespace"
	})
	if rules, ok := shown["Rules"].(string); ok {
		shown["Rules"] = strings.Join(strings.Fields(rules), " ")
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(shown); err != nil {
		e.t.Error(err)
	}
	return line + " " + strings.TrimSpace(text.String())
}

// take gives what was recorded since the last time, each line once, with the IDs
// of m's secrets as words.
func (e *enterprise) take(m *model) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var lines []string
	for _, line := range e.lines {
		for name := range m.secrets {
			if c := m.creds(e.t, name); !c.Zero() {
				line = strings.NewReplacer(c.AccessorID, "<accessor of "+name+">", c.SecretID.Reveal(), "<token of "+name+">").Replace(line)
			}
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	e.lines = nil
	slices.Sort(lines) // chains run beside each other
	return strings.Join(lines, "\n") + "\n"
}

// TestEnterpriseRequests holds the requests to those of consul-ecs v0.4, by its
// source and Consul's API types: there is no Enterprise server to ask.
func TestEnterpriseRequests(t *testing.T) {
	golden, err := os.ReadFile("testdata/enterprise.txtar")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range txtar.Parse(golden).Files {
		want[f.Name] = strings.Join(slices.Sorted(strings.Lines(string(f.Data))), "")
	}
	e, client := newEnterprise(t)
	m := newModel()
	m.setSecret("pre-web-shop-eu", "{}")
	m.setSecret("pre-consul-client-token", "{}")
	arn := m.run("web", tagPartition, "eu", tagNamespace, "shop")
	m.run("web")                       // default/default: another partition's
	m.run("web", tagPartition, "eu")   // half the tags
	m.run("web", tagNamespace, "shop") // half the tags
	c := m.controller(t, func(c *Config) {
		c.Partition, c.ClientSecret, c.DeletionGrace, c.AuditInterval = "eu", "pre-consul-client-token", -1, time.Nanosecond
		c.Interval = time.Nanosecond
	})
	consul := consulACL{client, "eu"}
	c.asks(func(d *deps) {
		d.tokens, d.policies, d.rules, d.partitions, d.namespaces, d.reports = consul, consul, consul, consul, consul, consul
	})
	st := newMemory()
	step := func(name string) {
		t.Helper()
		if err := c.sweep(t.Context(), st); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := gocmp.Diff(want[name], e.take(m)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	step("a new service")
	step("nothing changed, audited")
	old := m.creds(t, "pre-web-shop-eu")
	m.setSecret("pre-web-shop-eu", string(newCreds().JSON())) // as a rotation
	e.services = []map[string]any{{"ServiceMeta": map[string]string{"task-id": arn[strings.LastIndexByte(arn, '/')+1:]}}}
	step("rotated")
	e.services[0]["ServiceMeta"].(map[string]string)[MetaAccessor] = m.creds(t, "pre-web-shop-eu").AccessorID
	e.lines = nil
	m.setSecret("old", string(old.JSON()))
	step("reported")
	m.stop(arn)
	if err := c.sweep(t.Context(), st); err != nil { // a first look without it
		t.Fatal(err)
	}
	gone := m.creds(t, "pre-web-shop-eu")
	e.lines = nil
	if err := c.sweep(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	m.setSecret("pre-web-shop-eu", string(gone.JSON())) // to know it in what was recorded
	if d := gocmp.Diff(want["ended"], e.take(m)); d != "" {
		t.Errorf("ended (-want +got):\n%s", d)
	}
}
