package reconcile

import (
	"cmp"
	"slices"
	"time"

	"meshtask/internal/secret"
)

// Token is a Consul ACL token.
type Token struct {
	AccessorID  string
	SecretID    secret.String // empty: Consul does not show it to us
	Description string
	Policies    []Link
	Identities  []string // services of its service identities
	Created     time.Time
	Method      string // auth method of the login that made it; empty: no login
}

// Link is a token's link to a policy. An ID that is empty is that of the policy of
// this name that was made just before.
type Link struct{ ID, Name string }

// Policy is a Consul ACL policy. Rules are empty where they were not read.
type Policy struct {
	ID, Name, Description, Rules string
	Hash                         string // changes with every edit
}

// World is what was seen of everything that Decide decides on.
type World struct {
	Naming      Naming
	Now         time.Time
	RotateAfter time.Duration // 0: never
	Unserved    []string      // IDs of mesh tasks that get no token here, and may have the client agents'
	MakeSecrets bool          // create a secret that does not exist

	Live         map[Service][]string // ARNs of the tasks, for services that have some
	Ended        map[Service]bool     // services without tasks whose grace is over
	Tokens       []Token
	Policies     []Policy
	Namespaces   []string             // those that exist; used with partitions only
	Secrets      map[Service]Secret   // those that were read; a service without one is left alone
	Reports      map[Service][]Report // who uses which token; nil: nobody was asked
	Logins       *Logins              // nil: not read
	GoneTasks    map[string]bool      // IDs of tasks that logged in, and whose grace is over
	Kinds        map[Service]string   // of those that are gateways
	Terminating  []Terminating        // config entries, in the order of their names
	GatewaysRead bool                 // Terminating holds all that there are
	Catalog      Catalog              // what tasks without an agent have registered
	Client       *Secret              // secret of the client agents' token; nil: not read
}

// Report is one task's word on which tokens it uses.
type Report struct {
	TaskID     string
	AccessorID string // of the service

	AgentAccessorID string // of the task's agent; "" is not said
}

// View is what can be told from a World at once: it has the World's indexes.
type View struct {
	World
	own        map[Service][]Token // our tokens by service, oldest first
	byAccessor map[string]Token
	bySecret   map[secret.String]Token
	policies   map[string]Policy // by folded name
	ownPolicy  map[Service][]Policy
	users      map[string][]string // accessors by the ID of a policy
}

// See indexes a World. Of the World, only Naming and Tokens are needed for Own,
// Exists and Lacks.
func See(w World) *View {
	v := &View{World: w, own: map[Service][]Token{}, byAccessor: map[string]Token{}, bySecret: map[secret.String]Token{},
		policies: map[string]Policy{}, ownPolicy: map[Service][]Policy{}, users: map[string][]string{}}
	for _, t := range w.Tokens {
		v.byAccessor[t.AccessorID] = t
		if t.SecretID != "" {
			v.bySecret[t.SecretID] = t
		}
		for _, p := range t.Policies {
			v.users[p.ID] = append(v.users[p.ID], t.AccessorID)
		}
		if s, ok := w.Naming.owner("Token", t.Description); ok {
			v.own[s] = append(v.own[s], t)
		}
	}
	for _, own := range v.own {
		slices.SortFunc(own, func(a, b Token) int {
			return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.AccessorID, b.AccessorID))
		})
	}
	for _, p := range w.Policies {
		v.policies[fold(p.Name)] = p
		if s, ok := w.Naming.PolicyOwner(p); ok {
			v.ownPolicy[s] = append(v.ownPolicy[s], p)
		}
	}
	return v
}

// Own are our tokens, by service, the oldest first.
func (v *View) Own() map[Service][]Token { return v.own }

// Exists says whether there is a token with that accessor ID.
func (v *View) Exists(accessor string) bool {
	_, ok := v.byAccessor[accessor]
	return ok
}

// Lacks says whether a service's token has not all the policies that it should.
func (v *View) Lacks(t Token, s Service) bool { return len(v.lacks(t, s)) > 0 }

// links are the policies of a service's token, with the IDs of those that exist.
func (v *View) links(s Service) []Link {
	var links []Link
	for _, name := range append(v.Naming.links(s), v.gatewayLinks(s)...) {
		links = append(links, Link{ID: v.policies[fold(name)].ID, Name: name})
	}
	return links
}

// lacks are the policies that a service's token should have and does not. A
// service identity, as v0.2 made it, stands for the service's own policy. Where
// the policies were not read, names have to do.
func (v *View) lacks(t Token, s Service) []Link {
	var missing []Link
	for _, want := range v.links(s) {
		linked := slices.ContainsFunc(t.Policies, func(l Link) bool {
			return want.ID == l.ID || want.ID == "" && fold(want.Name) == fold(l.Name)
		})
		if !linked && (want.Name != v.Naming.Policy(s) || !slices.Contains(t.Identities, s.Name)) {
			missing = append(missing, want)
		}
	}
	return missing
}
