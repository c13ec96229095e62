package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What consul-ecs v0.5 and later call their objects, to the letter: theirs are taken over.
const (
	ClientMethod   = "iam-ecs-client-token"
	ServiceMethod  = "iam-ecs-service-token"
	ClientRole     = "consul-ecs-client-role"
	loginPolicy    = "consul-ecs-client-policy"
	entityService  = "consul.hashicorp.com.service-name"
	entityGateway  = "consul.hashicorp.com.gateway-kind"
	keyPrincipals  = "BoundIAMPrincipalARNs"
	keyDetails     = "EnableIAMEntityDetails"
	keyTags        = "IAMEntityTags"
	loginPrefix    = "token created via login: "
	anonymousName  = "anonymous-token-policy"
	anonymousText  = "Anonymous token Policy"
	EntitySpace    = "consul.hashicorp.com.namespace" // tag of a role
	AnonymousToken = "00000000-0000-0000-0000-000000000002"
)

// LoginSubject is the subject of the chain and the findings about logins.
const LoginSubject = "logins of tasks"

// Logins are the objects of Consul by which tasks log in, as they were read.
type Logins struct {
	Methods map[string]AuthMethod    // by name, of the two that are ours
	Rules   map[string][]BindingRule // by auth method
	Roles   map[string]Role          // by name, of those that are ours
	Primary bool                     // this datacenter is the primary one
	Unread  string                   // why that could not be read; empty: it was
}

// AuthMethod is one of Consul's auth methods. What Config holds beside our keys is kept.
type AuthMethod struct {
	Name, Type, Description string
	Config                  map[string]any
	TaggedNamespace         bool // its logins go into the namespace of the role's tag
	Exists                  bool // so that it is updated
}

// BindingRule says what a login by an auth method gets.
type BindingRule struct{ Method, Description, Selector, BindType, BindName string }

// Role is an ACL role.
type Role struct {
	ID, Name, Description string
	Policies              []Link
}

// principals is the pattern of the ARNs of the roles that are trusted; empty while the
// cluster's account is not known.
func (n Naming) principals() string {
	f := strings.Split(n.Cluster.ARN, ":")
	if n.RolePath == "" || len(f) != 6 {
		return ""
	}
	path := strings.Trim(n.RolePath, "/")
	if path != "" {
		path += "/"
	}
	return fmt.Sprintf("arn:%s:iam::%s:role/%s*", f[1], f[4], path)
}

// methods are the auth methods as they should be.
func (n Naming) methods(principals string) []AuthMethod {
	config := func() map[string]any {
		return map[string]any{keyPrincipals: []string{principals}, keyDetails: true} // without the details no pattern is taken
	}
	service := AuthMethod{Name: ServiceMethod, Type: "aws-iam", Description: "AWS IAM auth method for ECS service tokens", Config: config(), TaggedNamespace: n.Partition != ""}
	service.Config[keyTags] = []string{entityService, EntitySpace}
	if n.Gateways {
		service.Config[keyTags] = []string{entityService, EntitySpace, entityGateway}
	}
	if !n.Mode.agents() {
		return []AuthMethod{service}
	}
	return []AuthMethod{{Name: ClientMethod, Type: "aws-iam", Description: "AWS IAM auth method for ECS client tokens", Config: config()}, service}
}

// anonymousRules let mesh gateways read across datacenters.
func (n Naming) anonymousRules() string {
	rules := `node_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }`
	if n.Partition == "" {
		return rules
	}
	return "partition_prefix \"\" {\n  namespace_prefix \"\" {\n" + rules + "\n  }\n}"
}

// LoginTask is the task of this cluster that logged in for a token, or "". Only Consul says
// that a token comes from a login; the cluster is compared whole.
func (n Naming) LoginTask(t Token) string {
	text, ok := strings.CutPrefix(t.Description, loginPrefix)
	if !ok || t.Method == "" {
		return ""
	}
	var meta struct {
		Cluster string `json:"consul.hashicorp.com/cluster"`
		Task    string `json:"consul.hashicorp.com/task-id"`
	}
	if json.Unmarshal([]byte(text), &meta) != nil || !n.Cluster.Is(meta.Cluster) {
		return ""
	}
	return meta.Task
}

// logins makes sure that tasks can log in, and that nothing which logs them in is somebody
// else's. What was set up by hand is used as it is and named.
func (p *planner) logins() {
	have := p.World.Logins
	if have == nil {
		return
	}
	principals := p.Naming.principals()
	if principals == "" {
		p.find(LoginSubject, "the account of the cluster is not known before a task runs in it: give --cluster its ARN", true)
		return
	}
	ops, ok := p.loginRoles(have.Roles)
	for _, want := range p.Naming.methods(principals) {
		put, fine := p.method(have.Methods[want.Name], want)
		ops, ok = append(ops, put...), ok && fine
	}
	ops = append(ops, p.bindings(have.Rules)...)
	if have.Unread != "" {
		p.find(LoginSubject, "the anonymous token is not looked after, for it is not known whether this datacenter is the primary one: "+have.Unread, false)
	}
	if have.Primary {
		put, fine := p.anonymous()
		ops, ok = append(ops, put...), ok && fine
	}
	if ok {
		p.chain(LoginSubject, Service{}, ops)
	}
}

// method brings an auth method into agreement with what it should be: other clusters' roles,
// and settings that are not ours, stay.
func (p *planner) method(have, want AuthMethod) (ops []Op, ok bool) {
	if !have.Exists {
		return []Op{{Kind: PutAuthMethod, Method: want}}, true
	}
	if have.Type != want.Type {
		p.find(LoginSubject, fmt.Sprintf("auth method %s is of type %s and not aws-iam: rename or delete it", have.Name, have.Type), true)
		return nil, false
	}
	merged, changed := have, false
	merged.Config = map[string]any{}
	maps.Copy(merged.Config, have.Config)
	for _, key := range []string{keyPrincipals, keyTags} {
		list := texts(have.Config[key])
		for _, t := range texts(want.Config[key]) {
			if !slices.Contains(list, t) {
				list, changed = append(list, t), true
			}
		}
		if len(list) > 0 {
			merged.Config[key] = list
		}
	}
	if have.Config[keyDetails] != true {
		merged.Config[keyDetails], changed = true, true
	}
	if want.TaggedNamespace && !have.TaggedNamespace {
		merged.TaggedNamespace, changed = true, true
	}
	if changed {
		ops = append(ops, Op{Kind: PutAuthMethod, Method: merged})
	}
	return ops, true
}

// texts are the strings of a list that came by JSON, or was made here.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case []string:
		return slices.Clone(v)
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// anonymous lets the anonymous token read what mesh gateways ask other datacenters for.
func (p *planner) anonymous() (ops []Op, ok bool) {
	token, exists := p.byAccessor[AnonymousToken]
	if !exists || slices.ContainsFunc(token.Policies, func(l Link) bool { return fold(l.Name) == anonymousName }) {
		return nil, true
	}
	ops, ok = p.policy(LoginSubject, Policy{Name: anonymousName, Description: anonymousText, Rules: p.Naming.anonymousRules()})
	link := Link{ID: p.policies[anonymousName].ID, Name: anonymousName}
	return append(ops, Op{Kind: PutToken, Token: Token{AccessorID: AnonymousToken, Policies: []Link{link}}}), ok
}

// reap deletes the tokens of logins whose tasks are gone.
func (p *planner) reap() {
	for _, t := range p.Tokens {
		if task := p.Naming.LoginTask(t); p.GoneTasks[task] {
			p.chain("login of task "+task, Service{}, []Op{{Kind: DeleteToken, Token: Token{AccessorID: t.AccessorID}}})
		}
	}
}
