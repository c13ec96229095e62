package acl

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
	Policies    []string // names of the policies linked
	Identities  []string // services of its service identities
	Created     time.Time
}

// Policy is a Consul ACL policy. Rules are empty where they were not read.
type Policy struct {
	ID, Name, Description, Rules string
	Hash                         string // changes with every edit
}

// World is what was seen of everything that Reconcile decides on.
type World struct {
	Naming      Naming
	Now         time.Time
	RotateAfter time.Duration // 0: never
	MakeSecrets bool          // create a secret that does not exist

	Live       map[Service][]string // ARNs of the tasks, for services that have some
	Ended      map[Service]bool     // services without tasks whose grace is over
	Tokens     []Token
	Policies   []Policy
	Namespaces []string             // those that exist; used with partitions only
	Secrets    map[Service]Secret   // those that were read; a service without one is left alone
	Reports    map[Service][]Report // who uses which token; nil: nobody was asked
	Client     *Secret              // secret of the client agents' token; nil: not read
}

// Report is one task's word on which token it uses.
type Report struct {
	TaskID     string
	AccessorID string
}

// view is a World with its indexes.
type view struct {
	World
	own        map[Service][]Token // our tokens by service, oldest first
	byAccessor map[string]Token
	bySecret   map[secret.String]Token
	policies   map[string]Policy // by name
	ownPolicy  map[Service][]Policy
	users      map[string][]string // accessors by the name of a policy
	plan       Plan
}

func newView(w World) *view {
	v := &view{World: w, own: map[Service][]Token{}, byAccessor: map[string]Token{}, bySecret: map[secret.String]Token{},
		policies: map[string]Policy{}, ownPolicy: map[Service][]Policy{}, users: map[string][]string{}}
	for _, t := range w.Tokens {
		v.byAccessor[t.AccessorID] = t
		if t.SecretID != "" {
			v.bySecret[t.SecretID] = t
		}
		for _, p := range t.Policies {
			v.users[p] = append(v.users[p], t.AccessorID)
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
		v.policies[p.Name] = p
		if s, ok := w.Naming.owner("Policy", p.Description); ok {
			v.ownPolicy[s] = append(v.ownPolicy[s], p)
		}
	}
	return v
}

// lacks are the policies that a service's token should have and does not. A
// service identity, as v0.2 made it, stands for the service's own policy.
func (v *view) lacks(t Token, s Service) []string {
	var missing []string
	for _, p := range v.Naming.links(s) {
		if slices.Contains(t.Policies, p) || p == v.Naming.policy(s) && slices.Contains(t.Identities, s.Name) {
			continue
		}
		missing = append(missing, p)
	}
	return missing
}
