package reconcile

// Look is the part of the world that one sweep looks at closely.
type Look struct {
	Services map[Service]bool // of these, the secrets are read
	Audited  map[Service]bool // of these, also the rules of the policy and who uses which token
	Client   bool             // the client agents' secret and policy
	Logins   bool             // what tasks log in by
	Reap     bool             // there are tokens of logins whose tasks are gone
	Strays   bool             // what tasks without an agent have registered, or the node for it
	Gateways bool             // what terminating gateways link
	Shared   bool             // what services share, and which policies of ours there are
}

// Empty says whether there is nothing to look at.
func (l Look) Empty() bool {
	return len(l.Services) == 0 && !l.Client && !l.Logins && !l.Reap && !l.Strays && !l.Gateways && !l.Shared
}

// NeedsRules gives the policies whose rules Decide compares: those that are
// audited, and those whose description does not say that they are ours.
func (n Naming) NeedsRules(l Look) func(Policy) bool {
	needed := map[string]func(Policy) bool{}
	for s := range l.Services {
		needed[fold(n.Policy(s))] = func(p Policy) bool { return l.Audited[s] || !n.describes(s, p.Description) }
	}
	if l.Client {
		needed[fold(n.ClientPolicy())] = func(Policy) bool { return true }
	}
	if l.Logins {
		for _, name := range loginPolicies() {
			needed[name] = func(Policy) bool { return true }
		}
	}
	for _, shared := range n.sharedPolicies() {
		needed[shared.Name] = func(p Policy) bool { return l.Shared || p.Description != shared.Description }
	}
	for _, shared := range n.gatewayPolicies() {
		if needed[shared.Name] == nil {
			needed[shared.Name] = func(p Policy) bool { return p.Description != shared.Description }
		}
	}
	return func(p Policy) bool {
		if l.Gateways && p.Description == terminatingText {
			return true
		}
		f, ok := needed[fold(p.Name)]
		return ok && f(p)
	}
}

// Subjects are all that findings can be about while there are these services.
func (n Naming) Subjects(services map[Service]bool) map[string]bool {
	subjects := map[string]bool{ClientSubject: true, LoginSubject: true, PolicySubject(n.ClientPolicy()): true,
		PolicySubject(CrossNamespacePolicy): true, PartitionSubject(n.Partition): true, n.sharedSubject(): true, GatewaySubject: true, CatalogSubject: true}
	for _, name := range loginPolicies() {
		subjects[PolicySubject(name)] = true
	}
	for _, name := range n.Nodes() {
		subjects[NodeSubject(name)] = true
	}
	for s := range services {
		for _, subject := range []string{s.String(), PolicySubject(n.Policy(s)), namespaceSubject(s.Namespace)} {
			subjects[subject] = true
		}
	}
	return subjects
}
