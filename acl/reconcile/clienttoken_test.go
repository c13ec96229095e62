package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The client agents' token is described alike in all clusters: only what this cluster has
// marked as replaced is deleted, and only once no task has it.
func TestDecideClientToken(t *testing.T) {
	n := Naming{Prefix: "pre", Cluster: NewCluster(modelCluster)}
	other := Naming{Prefix: "pre", Cluster: NewCluster("arn:aws:ecs:us-east-1:1:cluster/prod-2")}
	part := Naming{Prefix: "pre", Cluster: n.Cluster, Partition: "p"}
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	a, b := Creds{"aaaa", "secret-a"}, Creds{"bbbb", "secret-b"}
	token := func(c Creds, text, policy string, age time.Duration) Token {
		return Token{AccessorID: c.AccessorID, SecretID: c.SecretID, Description: text, Policies: []Link{{ID: policy, Name: policy}}, Created: now.Add(-age)}
	}
	const id, day, old = "pre-consul-client-policy", 24 * time.Hour, "the replaced token aaaa is kept: "
	const arn = "arn:aws:ecs:us-east-1:1:task/prod/t1"
	current := token(b, clientTokenDescription, id, 0)
	replaced := token(a, n.replacedDescription(), id, 2*day)
	says := func(reports ...Report) func(*World) {
		return func(w *World) {
			w.Live, w.Reports = map[Service][]string{web: {arn}}, map[Service][]Report{web: reports}
		}
	}
	for _, tt := range []struct {
		name    string
		holds   Creds
		tokens  []Token
		change  func(*World)
		want    string
		finding string
	}{
		{"young", b, []Token{current}, rotate, "", ""},
		{"old", a, []Token{token(a, clientTokenDescription, id, day)}, rotate,
			"mark token aaaa as replaced; fill secret s with new IDs; create token with the IDs of the secret, policies [" + id + "]", ""},
		{"old, and the secret holds more", a, []Token{token(a, clientTokenDescription, id, day)}, func(w *World) { rotate(w); w.Client.Extra = true }, "", ""},
		{"cut after the mark", a, []Token{replaced}, nil,
			"fill secret s with new IDs; create token with the IDs of the secret, policies [" + id + "]", ""},
		{"marked by another cluster", a, []Token{token(a, other.replacedDescription(), id, 0)}, nil, "", "is not a client token"},
		{"no task", b, []Token{current, replaced}, nil, "delete token aaaa", ""},
		{"the task has the new one", b, []Token{current, replaced}, says(Report{TaskID: "t1", AgentAccessorID: "bbbb"}), "delete token aaaa", ""},
		{"the task's agent logged in", b, []Token{current, replaced}, says(Report{TaskID: "t1", AgentAccessorID: "cccc"}), "delete token aaaa", ""},
		{"the task has the old one", b, []Token{current, replaced}, says(Report{TaskID: "t1", AgentAccessorID: "aaaa"}), "", old + "task t1 reports that its agent uses it"},
		{"the task says nothing", b, []Token{current, replaced}, says(Report{TaskID: "t1"}), "", old + "task t1 does not report"},
		{"the task is not registered", b, []Token{current, replaced}, says(), "", old + "task t1 does not report"},
		{"a task of another cluster has it", b, []Token{current, replaced}, says(Report{TaskID: "t1", AgentAccessorID: "bbbb"}, Report{TaskID: "t2", AgentAccessorID: "aaaa"}), "", old + "task t2 reports"},
		{"a task that is not served", b, []Token{current, replaced}, func(w *World) { w.Unserved = []string{"t3"} }, "", old + "task t3 gets no token"},
		{"nothing is replaced while one is kept", b, []Token{token(b, clientTokenDescription, id, day), replaced}, func(w *World) { rotate(w); says()(w) }, "", old},
		{"another cluster's", b, []Token{current, token(a, other.replacedDescription(), id, day)}, nil, "", ""},
		{"another installation's", b, []Token{current, token(a, n.replacedDescription(), "pre-2-consul-client-policy", day)}, nil, "", ""},
		{"a partition's", b, []Token{current, token(a, part.replacedDescription(), id, day)}, nil, "", ""},
		{"not marked", b, []Token{current, token(a, clientTokenDescription, id, day)}, nil, "", ""},
	} {
		w := World{Naming: n, Now: now, Client: &Secret{Name: "s", Creds: tt.holds}, Tokens: tt.tokens,
			Policies: []Policy{{ID: id, Name: id, Description: clientPolicyDescription}}}
		if tt.change != nil {
			tt.change(&w)
		}
		var got, found []string
		plan := Decide(w)
		for _, ch := range plan.Chains {
			for _, op := range ch.Ops {
				got = append(got, op.String())
			}
		}
		for _, f := range plan.Findings {
			found = append(found, f.Reason)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if all := strings.Join(found, "; "); (all == "") != (tt.finding == "") || !strings.Contains(all, tt.finding) {
			t.Errorf("%s: findings: %q, want %q", tt.name, all, tt.finding)
		}
	}
	if !part.replacedClient(part.replacedDescription()) || part.replacedClient(n.replacedDescription()) {
		t.Error("in a partition, only its own are ours")
	}
}
