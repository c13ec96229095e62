package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Decide says what is to be done so that every service with tasks has a
// secret, a policy and a token that agree, and services that have ended have
// none. It is pure, touches only what is provably ours, and once its plan has
// been carried out it has nothing more to say.
func Decide(w World) Plan {
	p := &planner{View: See(w)}
	p.clashes = p.findClashes()
	p.shared()
	p.gateways()
	p.client()
	p.logins()
	p.reap()
	p.nodes()
	p.strays()
	for _, s := range Sorted(p.Live) {
		if sec, ok := p.Secrets[s]; ok {
			p.serve(s, sec)
		}
	}
	for _, s := range Sorted(p.Ended) {
		if sec, ok := p.Secrets[s]; ok && len(p.Live[s]) == 0 {
			p.ended(s, sec)
		}
	}
	return p.plan
}

// planner is a plan in the making.
type planner struct {
	*View
	clashes       map[Service]Service // services that are refused: another has one of their names
	sharedProblem string              // why no service gets a token; empty: nothing
	plan          Plan
}

// ClientSubject is the subject of the client token's chain and findings; no
// service can have a blank in its name.
const ClientSubject = "client agents"

// Sorted are the services of m in a fixed order, so that plans can be compared.
func Sorted[V any](m map[Service]V) []Service {
	return slices.SortedFunc(maps.Keys(m), func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func (p *planner) chain(subject string, s Service, ops []Op) {
	if len(ops) > 0 {
		p.plan.Chains = append(p.plan.Chains, Chain{For: subject, Service: s, Ops: ops})
	}
}

func (p *planner) find(subject, reason string, failure bool) {
	p.plan.Findings = append(p.plan.Findings, Finding{Subject: subject, Reason: reason, Failure: failure})
}

// client looks after the token of the Consul client agents. Its description
// names no cluster, so only the secret says which token it is.
func (p *planner) client() {
	if p.Client == nil {
		return
	}
	subject, name := ClientSubject, p.Naming.ClientPolicy()
	policy, ok := p.policy(subject, Policy{Name: name, Description: clientPolicyDescription, Rules: p.Naming.clientRules()})
	if !ok {
		return
	}
	link := Link{ID: p.policies[fold(name)].ID, Name: name}
	ops, creds, ok := p.secret(subject, *p.Client, p.clientTokenToKeep(link))
	if !ok {
		return
	}
	want := Token{AccessorID: creds.AccessorID, SecretID: creds.SecretID, Description: clientTokenDescription, Policies: []Link{link}}
	ops = append(ops, policy...)
	have, exists := p.byAccessor[creds.AccessorID]
	replace := []Op{{Kind: FillSecret, Secret: p.Client.Name, Replaces: p.Client.Version},
		{Kind: PutToken, Token: Token{Description: clientTokenDescription, Policies: []Link{link}}}}
	replaced := p.replaced(link, creds.AccessorID)
	switch {
	case !exists || creds.Zero():
		ops = append(ops, Op{Kind: PutToken, Token: want})
	case p.Naming.replacedClient(have.Description) && !p.Client.Extra: // a replacement was begun
		ops = append(ops, replace...)
	case have.Description != clientTokenDescription:
		p.find(subject, fmt.Sprintf("secret %s names token %s, which is not a client token", p.Client.Name, creds.AccessorID), true)
		return
	case !slices.ContainsFunc(have.Policies, func(l Link) bool { return l.ID == link.ID && link.ID != "" }):
		ops = append(ops, Op{Kind: PutToken, Token: want})
	case len(replaced) > 0:
		ops = append(ops, p.retireClient(replaced)...)
	case p.rotationDue(have, *p.Client):
		ops = append(ops, Op{Kind: MarkToken, Token: Token{AccessorID: have.AccessorID, Description: p.Naming.replacedDescription()}})
		ops = append(ops, replace...)
	}
	p.chain(subject, Service{}, ops)
}

// clientTokenToKeep is the token to refill an emptied client secret with: the only one
// that has our client policy.
func (p *planner) clientTokenToKeep(policy Link) *Token {
	if policy.ID == "" {
		return nil
	}
	var keep *Token
	for _, a := range p.users[policy.ID] {
		if t := p.byAccessor[a]; t.Description == clientTokenDescription {
			if keep != nil {
				return nil
			}
			keep = &t
		}
	}
	return keep
}

// secret brings a secret into agreement with a token: it returns the writes
// for that and the IDs that it then holds, zero when they are made by the
// write. keep is the token whose IDs an empty secret gets, if any.
func (p *planner) secret(subject string, sec Secret, keep *Token) (ops []Op, creds Creds, ok bool) {
	if sec.Missing {
		if !p.MakeSecrets {
			p.find(subject, fmt.Sprintf("secret %s does not exist: create it with content {}, or run with --create-secrets", sec.Name), true)
			return nil, Creds{}, false
		}
		ops = append(ops, Op{Kind: CreateSecret, Secret: sec.Name})
	}
	if sec.Bad != "" {
		p.find(subject, fmt.Sprintf("secret %s: %s; it is left alone", sec.Name, sec.Bad), true)
		return nil, Creds{}, false
	}
	creds = sec.Creds
	if creds.Zero() {
		creds = Creds{}
		if keep != nil && keep.SecretID != "" {
			creds = Creds{AccessorID: keep.AccessorID, SecretID: keep.SecretID}
		}
	} else if t, known := p.match(sec.Creds); known && t.SecretID != "" {
		// One of the two IDs was edited: the token cannot change, the secret can.
		creds = Creds{AccessorID: t.AccessorID, SecretID: t.SecretID}
	}
	if creds == sec.Creds && !creds.Zero() {
		return ops, creds, true
	}
	if sec.Extra {
		p.find(subject, fmt.Sprintf("secret %s holds other keys than accessor_id and token, and so is never written", sec.Name), true)
		return nil, Creds{}, false
	}
	return append(ops, Op{Kind: FillSecret, Secret: sec.Name, Replaces: sec.Version, Creds: creds}), creds, true
}

// match is the token that has either of the two IDs.
func (p *planner) match(c Creds) (Token, bool) {
	if t, ok := p.byAccessor[c.AccessorID]; ok {
		return t, true
	}
	t, ok := p.bySecret[c.SecretID]
	return t, ok
}

// serve looks after a service that has tasks.
func (p *planner) serve(s Service, sec Secret) {
	subject, own := s.String(), p.own[s]
	if other, ok := p.clashes[s]; ok {
		p.find(subject, fmt.Sprintf("its policy %s or its secret %s is that of service %s as well: rename one of the two", p.Naming.Policy(s), p.Naming.Secret(s), other), true)
		return
	}
	if p.sharedProblem != "" {
		p.find(subject, "no token: "+p.sharedProblem, true)
		return
	}
	if t, ok := p.match(sec.Creds); ok && !slices.ContainsFunc(own, func(o Token) bool { return o.AccessorID == t.AccessorID }) {
		p.find(subject, fmt.Sprintf("secret %s names token %s, which is not a token of this service and cluster", sec.Name, t.AccessorID), true)
		return
	}
	policy, ok := p.policyOf(subject, Policy{Name: p.Naming.Policy(s), Description: p.Naming.description("Policy", s), Rules: p.Naming.serviceRules(s)},
		func(text string) bool { return p.Naming.describes(s, text) })
	if !ok {
		return
	}
	var keep *Token
	if len(own) > 0 {
		keep = &own[len(own)-1]
	}
	ops, creds, ok := p.secret(subject, sec, keep)
	if !ok {
		return
	}
	ops = append(ops, policy...)
	current, exists := p.byAccessor[creds.AccessorID]
	put := Op{Kind: PutToken, Token: Token{AccessorID: creds.AccessorID, SecretID: creds.SecretID,
		Description: p.Naming.description("Token", s), Policies: p.links(s)}}
	switch {
	case creds.Zero() || !exists:
		ops = append(ops, put)
	case len(p.lacks(current, s)) > 0:
		put.Token.Policies = p.lacks(current, s)
		ops = append(ops, put)
	case len(own) > 1:
		ops = append(ops, p.retire(s, current)...)
	case p.rotationDue(current, sec):
		put.Token.AccessorID, put.Token.SecretID = "", ""
		ops = append(ops, Op{Kind: FillSecret, Secret: sec.Name, Replaces: sec.Version}, put)
	}
	p.chain(subject, s, ops)
}

// rotationDue says whether a token is to be replaced for its age. The replacement gets
// new IDs; the old token stays until nobody uses it.
func (p *planner) rotationDue(t Token, sec Secret) bool {
	return p.RotateAfter > 0 && !sec.Extra && !sec.Missing && !t.Created.IsZero() && p.Now.Sub(t.Created) >= p.RotateAfter
}

// retire deletes the service's other tokens, once every live task has said that
// it uses the current one. A task that never says so keeps them, and is named.
func (p *planner) retire(s Service, current Token) []Op {
	reports, asked := p.Reports[s]
	if !asked {
		return nil
	}
	uses := map[string]string{}
	for _, r := range reports {
		uses[r.TaskID] = r.AccessorID
	}
	for _, arn := range p.Live[s] {
		if id := TaskID(arn); uses[id] != current.AccessorID {
			p.find(s.String(), fmt.Sprintf("an older token is kept: task %s does not report that it uses token %s", id, current.AccessorID), false)
			return nil
		}
	}
	var ops []Op
	for _, t := range p.own[s] {
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
func (p *planner) ended(s Service, sec Secret) {
	subject, own := s.String(), p.own[s]
	if len(own)+len(p.ownPolicy[s]) == 0 {
		return
	}
	var ops []Op
	mine := map[string]bool{}
	for _, t := range own {
		mine[t.AccessorID] = true
	}
	t, known := p.match(sec.Creds)
	switch {
	case sec.Missing || sec.Bad != "" || sec.Creds.Zero():
	case known && !mine[t.AccessorID]:
		p.find(subject, fmt.Sprintf("secret %s names token %s, which is not a token of this service and cluster; it is left alone", sec.Name, t.AccessorID), false)
	case sec.Extra:
		p.find(subject, fmt.Sprintf("secret %s holds other keys than accessor_id and token, and so is never written", sec.Name), false)
	default:
		ops = append(ops, Op{Kind: ClearSecret, Secret: sec.Name, Replaces: sec.Version})
	}
	for _, t := range own {
		ops = append(ops, Op{Kind: DeleteToken, Token: Token{AccessorID: t.AccessorID}})
	}
	for _, own := range p.ownPolicy[s] {
		if !slices.ContainsFunc(p.users[own.ID], func(a string) bool { return !mine[a] }) {
			ops = append(ops, Op{Kind: DeletePolicy, Policy: Policy{ID: own.ID, Name: own.Name}})
		}
	}
	p.chain(subject, s, ops)
}
