package reconcile

import (
	"fmt"
	"slices"
)

// grant is a role that logins get, with its policy and the rule that binds it.
type grant struct {
	role, text string
	policy     Policy // without a name: the role has the policies that somebody else gives it
	rule       BindingRule
}

// grants are the roles as they should be: the agents', and beside the identity of a service those
// of gateways and of tasks that have a node of their own.
func (n Naming) grants() []grant {
	role := func(method, selector, text, role, roleText string, policy Policy) grant {
		return grant{role, roleText, policy, BindingRule{Method: method, Selector: selector, Description: text, BindType: "role", BindName: role}}
	}
	gateway := func(kind, title, text, name string) grant {
		return role(ServiceMethod, fmt.Sprintf("entity_tags[%q] == %q", entityGateway, kind),
			"Bind a Consul role from IAM role tag for ECS based "+title+" gateways", name, text, n.gatewayPolicies()[kind])
	}
	var all []grant
	if n.Gateways {
		all = append(all, gateway(apiGateway, "API", "API Gateway Role for ECS", "consul-ecs-api-gateway-role"),
			gateway(TerminatingGateway, "Terminating", "Terminating Gateway Role for ECS", "consul-ecs-terminating-gateway-role"),
			gateway(meshGateway, "mesh", "Mesh Gateway Role for ECS", "consul-ecs-mesh-gateway-role"))
	}
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

// LoginRoles are the names of the roles that logins may get while there are these gateways.
func (n Naming) LoginRoles(gateways []Terminating) []string {
	var names []string
	for _, g := range n.grants() {
		names = append(names, g.role)
	}
	for _, t := range gateways {
		if n.unusable(t) == "" {
			names = append(names, n.terminatingRole(t.Gateway))
		}
	}
	return names
}

// loginPolicies are the names of the policies that are looked after for logins.
func loginPolicies() []string {
	names := []string{anonymousName}
	for _, g := range (Naming{Mode: Mixed, Gateways: true}).grants() {
		if g.policy.Name != "" {
			names = append(names, g.policy.Name)
		}
	}
	return names
}

// loginRoles are the roles that logins get, with their policies.
func (p *planner) loginRoles(have map[string]Role) (ops []Op, ok bool) {
	ok = true
	for _, g := range p.Naming.grants() {
		put, fine := p.grant(g, have)
		ops = append(ops, put...)
		if g.rule.Selector == "" { // what all tasks need
			ok = ok && fine
		}
	}
	return ops, ok
}

func (p *planner) grant(g grant, roles map[string]Role) (ops []Op, ok bool) {
	have, exists := roles[g.role]
	if !exists {
		have = Role{Name: g.role, Description: g.text}
	}
	if g.policy.Name == "" {
		if !exists {
			ops = append(ops, Op{Kind: PutRole, Role: have})
		}
		return ops, true
	}
	ops, ok = p.policy(LoginSubject, g.policy)
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
	if p.Naming.Gateways {
		own := p.Naming.terminatingRule()
		more, extra[own.BindName] = append(more, own), true
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

// terminatingRule binds the own role of a terminating gateway; Consul ignores a role that is not there.
func (n Naming) terminatingRule() BindingRule {
	service := Service{Name: "${entity_tags." + entityService + "}", Namespace: "${entity_tags." + EntitySpace + "}"}
	return BindingRule{Method: ServiceMethod, Selector: fmt.Sprintf("entity_tags[%q] == %q", entityGateway, TerminatingGateway),
		Description: "Bind the role of its own to a terminating gateway on ECS", BindType: "role", BindName: n.terminatingRole(service)}
}

// same says whether two rules give the same.
func (r BindingRule) same(o BindingRule) bool {
	return r.BindType == o.BindType && r.BindName == o.BindName
}
