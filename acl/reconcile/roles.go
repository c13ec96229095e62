package reconcile

import (
	"fmt"
	"slices"
)

// grant is a role that logins get, with its policy and the rule that binds it.
type grant struct {
	role, text string
	policy     Policy
	rule       BindingRule
}

// grants are the roles as they should be: the agents', and beside the identity of a service that
// of tasks that have a node of their own.
func (n Naming) grants() []grant {
	role := func(method, selector, text, role, roleText string, policy Policy) grant {
		return grant{role, roleText, policy, BindingRule{Method: method, Selector: selector, Description: text, BindType: "role", BindName: role}}
	}
	var all []grant
	if n.Mode.agents() {
		all = append(all, role(ClientMethod, "", "Bind a policy for Consul clients on ECS", ClientRole, "Consul Client Token Role for ECS",
			Policy{Name: loginPolicy, Description: clientPolicyDescription, Rules: n.clientRules()}))
	}
	if n.Mode.agentless() {
		all = append(all, role(ServiceMethod, "", "Bind a role for the nodes of ECS tasks without a Consul agent", taskNodeRole, taskNodeDescription, n.taskNodePolicy()))
	}
	return all
}

// taskNodeRole is our own: consul-ecs has no such nodes.
const taskNodeRole = "meshtask-task-node-role"

// LoginRoles are the names of the roles that logins may get.
func LoginRoles() []string {
	var names []string
	for _, g := range (Naming{Mode: Mixed}).grants() {
		names = append(names, g.role)
	}
	return names
}

// loginPolicies are the names of the policies that are looked after for logins.
func loginPolicies() []string {
	names := []string{anonymousName}
	for _, g := range (Naming{Mode: Mixed}).grants() {
		names = append(names, g.policy.Name)
	}
	return names
}

// loginRoles are the roles that logins get, with their policies.
func (p *planner) loginRoles(have map[string]Role) (ops []Op, ok bool) {
	ok = true
	for _, g := range p.Naming.grants() {
		put, fine := p.grant(g, have)
		ops, ok = append(ops, put...), ok && fine
	}
	return ops, ok
}

func (p *planner) grant(g grant, roles map[string]Role) (ops []Op, ok bool) {
	have, exists := roles[g.role]
	if !exists {
		have = Role{Name: g.role, Description: g.text}
	}
	ops, ok = p.policy(LoginSubject, g.policy, func(text string) bool { return text == g.policy.Description })
	switch {
	case !ok:
		return nil, false
	case len(have.Policies) == 0: // it is new, or Consul has taken a deleted policy out of it
		have.Policies = []Link{{ID: p.policies[fold(g.policy.Name)].ID, Name: g.policy.Name}}
		ops = append(ops, Op{Kind: PutRole, Role: have})
	case !slices.ContainsFunc(have.Policies, func(l Link) bool { return fold(l.Name) == fold(g.policy.Name) }):
		p.find(LoginSubject, fmt.Sprintf("role %s has other policies than %s; it is used as it is", g.role, g.policy.Name), false)
	}
	return ops, true
}

// bindings are the rules that are missing. Those of roles go beside whatever there is; which rule
// makes a service of a login, or an agent, may have been decided by hand.
func (p *planner) bindings(have map[string][]BindingRule) (ops []Op) {
	extra := map[string]bool{}
	main := []BindingRule{{Method: ServiceMethod, Description: "Bind a service identity from IAM role tag for ECS", BindType: "service", BindName: "${entity_tags." + entityService + "}"}}
	var more []BindingRule
	for _, g := range p.Naming.grants() {
		if g.rule.Method == ClientMethod {
			main = append([]BindingRule{g.rule}, main...)
			continue
		}
		more, extra[g.rule.BindName] = append(more, g.rule), true
	}
	for _, want := range main {
		there := slices.DeleteFunc(slices.Clone(have[want.Method]), func(r BindingRule) bool { return r.BindType == "role" && extra[r.BindName] })
		switch {
		case len(there) == 0:
			ops = append(ops, Op{Kind: CreateBindingRule, Rule: want})
		case !slices.ContainsFunc(there, want.same):
			p.find(LoginSubject, fmt.Sprintf("no binding rule of auth method %s gives %s %s; its rules were made by hand and are used as they are", want.Method, want.BindType, want.BindName), false)
		}
	}
	for _, want := range more {
		if !slices.ContainsFunc(have[want.Method], want.same) {
			ops = append(ops, Op{Kind: CreateBindingRule, Rule: want})
		}
	}
	return ops
}

// same says whether two rules give the same.
func (r BindingRule) same(o BindingRule) bool {
	return r.BindType == o.BindType && r.BindName == o.BindName
}
