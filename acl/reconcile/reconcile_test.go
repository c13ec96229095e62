package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var web = Service{Name: "web"}

// TestDecide gives one service, web, in each state, and its operations.
func TestDecide(t *testing.T) {
	n := Naming{Prefix: "pre", Cluster: NewCluster(modelCluster)}
	text, policyText := n.description("Token", web), n.description("Policy", web)
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	a, b := Creds{"aaaa", "secret-a"}, Creds{"bbbb", "secret-b"}
	token := func(c Creds, age time.Duration) Token {
		return Token{AccessorID: c.AccessorID, SecretID: c.SecretID, Description: text, Policies: []Link{{ID: "p", Name: "web-service"}}, Created: now.Add(-age)}
	}
	foreign := Token{AccessorID: b.AccessorID, SecretID: b.SecretID, Description: "mine", Policies: []Link{{ID: "p", Name: "web-service"}}}
	policy := []Policy{{ID: "p", Name: "web-service", Description: policyText}}
	const arn = "arn:aws:ecs:us-east-1:1:task/prod/t1"
	live := func(sec Secret, p []Policy, tokens ...Token) World {
		return World{Live: map[Service][]string{web: {arn}}, Secrets: map[Service]Secret{web: sec}, Policies: p, Tokens: tokens}
	}
	ended := func(sec Secret, p []Policy, tokens ...Token) World {
		return World{Ended: map[Service]bool{web: true}, Secrets: map[Service]Secret{web: sec}, Policies: p, Tokens: tokens}
	}
	with := func(w World, f func(*World)) World { f(&w); return w }
	const fill, policyOp, create = "fill secret pre-web with new IDs", "create policy web-service", "create token with the IDs of the secret, policies [web-service]"
	for _, tt := range []struct {
		name    string
		w       World
		want    string // operations, joined by "; "
		finding string
	}{
		{"new", live(Secret{}, nil), fill + "; " + policyOp + "; " + create, ""},
		{"all there", live(Secret{Creds: a}, policy, token(a, 0)), "", ""},
		{"crashed after the secret", live(Secret{Creds: a}, nil), policyOp + "; put token aaaa with policies [web-service]", ""},
		{"crashed after the policy", live(Secret{Creds: a}, policy), "put token aaaa with policies [web-service]", ""},
		{"emptied", live(Secret{}, policy, token(a, 0)), "fill secret pre-web with the IDs of token aaaa", ""},
		{"emptied, the token's ID is hidden", live(Secret{}, policy, token(Creds{AccessorID: "aaaa"}, 0)), fill + "; " + create, ""},
		{"accessor edited", live(Secret{Creds: Creds{"cccc", a.SecretID}}, policy, token(a, 0)), "fill secret pre-web with the IDs of token aaaa", ""},
		{"token edited", live(Secret{Creds: Creds{"aaaa", "x"}}, policy, token(a, 0)), "fill secret pre-web with the IDs of token aaaa", ""},
		{"IDs replaced by hand", live(Secret{Creds: b}, policy, token(a, 0)), "put token bbbb with policies [web-service]", ""},
		{"policy gone", live(Secret{Creds: a}, nil, unlinked(token(a, 0))), policyOp + "; put token aaaa with policies [web-service]", ""},
		{"missing", live(Secret{Missing: true}, nil), "", "does not exist"},
		{"missing, may be made", with(live(Secret{Missing: true}, nil), func(w *World) { w.MakeSecrets = true }), "create secret pre-web; " + fill + "; " + policyOp + "; " + create, ""},
		{"not ours to read", live(Secret{Bad: "its content is not a JSON object"}, nil), "", "left alone"},
		{"more than ours, empty", live(Secret{Extra: true}, nil), "", "never written"},
		{"more than ours, filled", live(Secret{Creds: a, Extra: true}, policy, token(a, 0)), "", ""},
		{"names a foreign token", live(Secret{Creds: b}, policy, foreign), "", "not a token of this service"},
		{"not read", World{Live: map[Service][]string{web: {arn}}}, "", ""},
		{"rules edited", live(Secret{Creds: a}, []Policy{{ID: "p", Name: "web-service", Description: policyText, Rules: "x"}}, token(a, 0)), "", "edited by hand"},
		{"not old enough", with(live(Secret{Creds: a}, policy, token(a, time.Hour)), rotate), "", ""},
		{"old", with(live(Secret{Creds: a}, policy, token(a, 24*time.Hour)), rotate), fill + "; " + create, ""},
		{"rotating, nobody was asked", live(Secret{Creds: b}, policy, token(a, 2), token(b, 1)), "", ""},
		{"rotating, not reported", with(live(Secret{Creds: b}, policy, token(a, 2), token(b, 1)), reports("aaaa")), "", "task t1 does not report"},
		{"rotating, reported", with(live(Secret{Creds: b}, policy, token(a, 2), token(b, 1)), reports("bbbb")), "delete token aaaa", ""},
		{"ended", ended(Secret{Creds: a}, policy, token(a, 0)), "clear secret pre-web; delete token aaaa; delete policy web-service", ""},
		{"ended, cleared before a crash", ended(Secret{}, policy, token(a, 0)), "delete token aaaa; delete policy web-service", ""},
		{"ended, only the policy is left", ended(Secret{}, policy), "delete policy web-service", ""},
		{"ended, nothing left", ended(Secret{Creds: a}, nil), "", ""},
		{"ended, secret gone with it", ended(Secret{Missing: true}, policy, token(a, 0)), "delete token aaaa; delete policy web-service", ""},
		{"ended, another cluster uses the policy", ended(Secret{Creds: a}, policy, token(a, 0), foreign), "clear secret pre-web; delete token aaaa", ""},
		{"ended, the secret names a foreign token", ended(Secret{Creds: b}, nil, token(a, 0), foreign), "delete token aaaa", "left alone"},
		{"ended, more in the secret", ended(Secret{Creds: a, Extra: true}, nil, token(a, 0)), "delete token aaaa", "never written"},
		{"ended, policy of another", ended(Secret{}, []Policy{{ID: "p", Name: "web-service", Description: "mine"}}, token(a, 0)), "delete token aaaa", ""},
		{"ended, but back", with(ended(Secret{Creds: a}, policy, token(a, 0)), func(w *World) { w.Live = map[Service][]string{web: {arn}} }), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.w.Naming, tt.w.Now = n, now
			for s, sec := range tt.w.Secrets {
				sec.Name = "pre-web"
				tt.w.Secrets[s] = sec
			}
			plan := Decide(tt.w)
			var got, found []string
			for _, ch := range plan.Chains {
				for _, op := range ch.Ops {
					got = append(got, op.String())
				}
			}
			for _, f := range plan.Findings {
				found = append(found, f.Reason)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "; ")); diff != "" {
				t.Error(diff)
			}
			if all := strings.Join(found, "; "); (all == "") != (tt.finding == "") || !strings.Contains(all, tt.finding) {
				t.Errorf("findings: %q, want %q", all, tt.finding)
			}
		})
	}
}

// unlinked is a token that has lost its policy.
func unlinked(t Token) Token { t.Policies = nil; return t }

func rotate(w *World) { w.RotateAfter = 24 * time.Hour }

func reports(accessor string) func(*World) {
	return func(w *World) {
		w.Reports = map[Service][]Report{web: {{TaskID: "t1", AccessorID: accessor}}}
	}
}
