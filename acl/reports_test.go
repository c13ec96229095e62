package acl

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"meshtask/acl/reconcile"
)

// What tasks say of their tokens is in their services' meta; those without an agent have no
// token of an agent's.
func TestReports(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/catalog/service/web" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = w.Write([]byte(`[
			{"ServiceMeta": {"task-id": "t1", "acl-accessor": "AAAA", "acl-agent-accessor": "BBBB"}},
			{"ServiceMeta": {"task-id": "t2"}},
			{"ServiceMeta": {"task-id": "t3", "acl-agent-accessor": "none"}},
			{"ServiceMeta": {"task-id": "t4"}, "NodeMeta": {"synthetic-node": "true"}}]`))
	}))
	t.Cleanup(server.Close)
	client, err := api.NewClient(&api.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	got, err := consulACL{api: client}.Reports(t.Context(), web)
	want := []reconcile.Report{{TaskID: "t1", AccessorID: "aaaa", AgentAccessorID: "bbbb"}, {TaskID: "t2"}, {TaskID: "t3", AgentAccessorID: "none"}, {TaskID: "t4", AgentAccessorID: "none"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
