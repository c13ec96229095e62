package acl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reconcile says what is to be done so that every service with tasks has a
// secret, a policy and a token that agree, and services that have ended have
// none. It is pure, touches only what is provably ours, and once its plan has
// been carried out it has nothing more to say.
func Reconcile(w World) Plan {
	v := newView(w)
	v.shared()
	v.client()
	for _, s := range sorted(v.Live) {
		if sec, ok := v.Secrets[s]; ok {
			v.live(s, sec)
		}
	}
	for _, s := range sorted(v.Ended) {
		if sec, ok := v.Secrets[s]; ok && len(v.Live[s]) == 0 {
			v.ended(s, sec)
		}
	}
	return v.plan
}

// clientSubject is whom the client token's chain and findings are for; no
// service can have a blank in its name.
const clientSubject = "client agents"

// sorted are the services of m in a fixed order, so that plans can be compared.
func sorted[V any](m map[Service]V) []Service {
	return slices.SortedFunc(maps.Keys(m), func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func (v *view) chain(subject string, s Service, ops []Op) {
	if len(ops) > 0 {
		v.plan.Chains = append(v.plan.Chains, Chain{For: subject, Service: s, Ops: ops})
	}
}

func (v *view) find(subject, reason string, failure bool) {
	v.plan.Findings = append(v.plan.Findings, Finding{Subject: subject, Reason: reason, Failure: failure})
}

// client looks after the token of the Consul client agents. Its description
// names no cluster, so only the secret says which token it is.
func (v *view) client() {
	if v.Client == nil {
		return
	}
	subject, name := clientSubject, v.Naming.clientPolicy()
	policy, ok := v.policy(subject, Policy{Name: name, Description: clientPolicyDescription, Rules: v.Naming.clientRules()},
		func(text string) bool { return text == clientPolicyDescription })
	if !ok {
		return
	}
	link := Link{ID: v.policies[fold(name)].ID, Name: name}
	ops, creds, ok := v.secret(subject, *v.Client, v.clientHeir(link))
	if !ok {
		return
	}
	want := Token{AccessorID: creds.AccessorID, SecretID: creds.SecretID, Description: clientTokenDescription, Policies: []Link{link}}
	ops = append(ops, policy...)
	have, exists := v.byAccessor[creds.AccessorID]
	switch {
	case !exists || creds.zero():
		ops = append(ops, Op{Kind: PutToken, Token: want})
	case have.Description != clientTokenDescription:
		v.find(subject, fmt.Sprintf("secret %s names token %s, which is not a client token", v.Client.Name, creds.AccessorID), true)
		return
	case !slices.ContainsFunc(have.Policies, func(l Link) bool { return l.ID == link.ID && link.ID != "" }):
		ops = append(ops, Op{Kind: PutToken, Token: want})
	}
	v.chain(subject, Service{}, ops)
}

// clientHeir is the token to refill an emptied client secret with: the only one
// that has our client policy.
func (v *view) clientHeir(policy Link) *Token {
	if policy.ID == "" {
		return nil
	}
	var heir *Token
	for _, a := range v.users[policy.ID] {
		if t := v.byAccessor[a]; t.Description == clientTokenDescription {
			if heir != nil {
				return nil
			}
			heir = &t
		}
	}
	return heir
}

// secret brings a secret into agreement with a token: it returns the writes
// for that and the IDs that it then holds, zero when they are made by the
// write. heir is the token whose IDs an empty secret gets, if any.
func (v *view) secret(subject string, sec Secret, heir *Token) (ops []Op, creds Creds, ok bool) {
	if sec.Missing {
		if !v.MakeSecrets {
			v.find(subject, fmt.Sprintf("secret %s does not exist: create it with content {}, or run with --create-secrets", sec.Name), true)
			return nil, Creds{}, false
		}
		ops = append(ops, Op{Kind: CreateSecret, Secret: sec.Name})
	}
	if sec.Bad != "" {
		v.find(subject, fmt.Sprintf("secret %s: %s; it is left alone", sec.Name, sec.Bad), true)
		return nil, Creds{}, false
	}
	creds = sec.Creds
	if creds.zero() {
		creds = Creds{}
		if heir != nil && heir.SecretID != "" {
			creds = Creds{AccessorID: heir.AccessorID, SecretID: heir.SecretID}
		}
	} else if t, known := v.match(sec.Creds); known && t.SecretID != "" {
		// One of the two IDs was edited: the token cannot change, the secret can.
		creds = Creds{AccessorID: t.AccessorID, SecretID: t.SecretID}
	}
	if creds == sec.Creds && !creds.zero() {
		return ops, creds, true
	}
	if sec.Extra {
		v.find(subject, fmt.Sprintf("secret %s holds other keys than accessor_id and token, and so is never written", sec.Name), true)
		return nil, Creds{}, false
	}
	return append(ops, Op{Kind: FillSecret, Secret: sec.Name, Replaces: sec.Version, Creds: creds}), creds, true
}

// match is the token that has either of the two IDs.
func (v *view) match(c Creds) (Token, bool) {
	if t, ok := v.byAccessor[c.AccessorID]; ok {
		return t, true
	}
	t, ok := v.bySecret[c.SecretID]
	return t, ok
}

// live looks after a service that has tasks.
func (v *view) live(s Service, sec Secret) {
	subject, own := s.String(), v.own[s]
	if other, ok := v.doubles[s]; ok {
		v.find(subject, fmt.Sprintf("its policy %s or its secret %s is that of service %s as well: rename one of the two", v.Naming.policy(s), v.Naming.secret(s), other), true)
		return
	}
	if v.common != "" {
		v.find(subject, "no token: "+v.common, true)
		return
	}
	if t, ok := v.match(sec.Creds); ok && !slices.ContainsFunc(own, func(o Token) bool { return o.AccessorID == t.AccessorID }) {
		v.find(subject, fmt.Sprintf("secret %s names token %s, which is not a token of this service and cluster", sec.Name, t.AccessorID), true)
		return
	}
	policy, ok := v.policy(subject, Policy{Name: v.Naming.policy(s), Description: v.Naming.description("Policy", s), Rules: v.Naming.serviceRules(s)},
		func(text string) bool { return v.Naming.describes(s, text) })
	if !ok {
		return
	}
	var heir *Token
	if len(own) > 0 {
		heir = &own[len(own)-1]
	}
	ops, creds, ok := v.secret(subject, sec, heir)
	if !ok {
		return
	}
	ops = append(ops, policy...)
	current, exists := v.byAccessor[creds.AccessorID]
	put := Op{Kind: PutToken, Token: Token{AccessorID: creds.AccessorID, SecretID: creds.SecretID,
		Description: v.Naming.description("Token", s), Policies: v.links(s)}}
	switch {
	case creds.zero() || !exists:
		ops = append(ops, put)
	case len(v.lacks(current, s)) > 0:
		put.Token.Policies = v.lacks(current, s)
		ops = append(ops, put)
	case len(own) > 1:
		ops = append(ops, v.retire(s, current)...)
	case v.due(current, sec):
		put.Token.AccessorID, put.Token.SecretID = "", ""
		ops = append(ops, Op{Kind: FillSecret, Secret: sec.Name, Replaces: sec.Version}, put)
	}
	v.chain(subject, s, ops)
}

// due says whether a token is to be replaced for its age. The replacement gets
// new IDs; the old token stays until nobody uses it.
func (v *view) due(t Token, sec Secret) bool {
	return v.RotateAfter > 0 && !sec.Extra && !sec.Missing && !t.Created.IsZero() && v.Now.Sub(t.Created) >= v.RotateAfter
}

// retire deletes the service's other tokens, once every live task has said that
// it uses the current one. A task that never says so keeps them, and is named.
func (v *view) retire(s Service, current Token) []Op {
	reports, asked := v.Reports[s]
	if !asked {
		return nil
	}
	uses := map[string]string{}
	for _, r := range reports {
		uses[r.TaskID] = r.AccessorID
	}
	for _, arn := range v.Live[s] {
		if id := arn[strings.LastIndexByte(arn, '/')+1:]; uses[id] != current.AccessorID {
			v.find(s.String(), fmt.Sprintf("an older token is kept: task %s does not report that it uses token %s", id, current.AccessorID), false)
			return nil
		}
	}
	var ops []Op
	for _, t := range v.own[s] {
		if t.AccessorID != current.AccessorID {
			ops = append(ops, Op{Kind: DeleteToken, Token: Token{AccessorID: t.AccessorID}})
		}
	}
	return ops
}

// ended takes away what a service without tasks has. The secret is cleared, not
// deleted, and first: then tokens that are still there bring us back after a
// crash. The policy goes last and only when no token uses it any more, because
// other clusters share its name.
func (v *view) ended(s Service, sec Secret) {
	subject, own := s.String(), v.own[s]
	if len(own)+len(v.ownPolicy[s]) == 0 {
		return
	}
	var ops []Op
	mine := map[string]bool{}
	for _, t := range own {
		mine[t.AccessorID] = true
	}
	t, known := v.match(sec.Creds)
	switch {
	case sec.Missing || sec.Bad != "" || sec.Creds.zero():
	case known && !mine[t.AccessorID]:
		v.find(subject, fmt.Sprintf("secret %s names token %s, which is not a token of this service and cluster; it is left alone", sec.Name, t.AccessorID), false)
	case sec.Extra:
		v.find(subject, fmt.Sprintf("secret %s holds other keys than accessor_id and token, and so is never written", sec.Name), false)
	default:
		ops = append(ops, Op{Kind: ClearSecret, Secret: sec.Name, Replaces: sec.Version})
	}
	for _, t := range own {
		ops = append(ops, Op{Kind: DeleteToken, Token: Token{AccessorID: t.AccessorID}})
	}
	for _, p := range v.ownPolicy[s] {
		if !slices.ContainsFunc(v.users[p.ID], func(a string) bool { return !mine[a] }) {
			ops = append(ops, Op{Kind: DeletePolicy, Policy: Policy{ID: p.ID, Name: p.Name}})
		}
	}
	v.chain(subject, s, ops)
}
