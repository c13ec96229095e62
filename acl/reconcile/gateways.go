package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"meshtask/internal/servicename"
)

// Kinds of gateways, as the tag of a task says them.
const (
	apiGateway         = "api-gateway"
	meshGateway        = "mesh-gateway"
	TerminatingGateway = "terminating-gateway"
)

// Names of consul-ecs v0.8 and later.
const (
	apiGatewayPolicy  = "consul-ecs-api-gateway-policy"
	meshGatewayPolicy = "consul-ecs-mesh-gateway-policy"
)

// GatewaySubject is the subject of findings about terminating gateways.
const GatewaySubject = "terminating gateways"

// Terminating is the config entry of a terminating gateway. Services are those that it links.
type Terminating struct {
	Gateway  Service
	Services []Service
}

// GatewayKind is the kind of gateway that a task is, or "".
func GatewayKind(t TaskInfo) string { return t.Tags[tagGateway] }

// TerminatingPolicy is the name of a terminating gateway's policy. Its role is one of its own as
// well: consul-ecs has one for all, so that each would have what any of them links.
func (n Naming) TerminatingPolicy(gateway Service) string { return n.terminating(gateway) + "-policy" }

func (n Naming) terminatingRole(gateway Service) string { return n.terminating(gateway) + "-role" }

func (n Naming) terminating(gateway Service) string {
	if n.Partition == "" {
		return gateway.Name + "-terminating-gateway"
	}
	return gateway.Name + "-" + gateway.Namespace + "-terminating-gateway"
}

// terminatingRules let a gateway present the certificates of the services that it links: without
// write on one Consul leaves it out, and says so in the servers' log alone.
func (n Naming) terminatingRules(t Terminating) string {
	var rules []string
	for _, s := range t.Services {
		rule := fmt.Sprintf("service %q { policy = \"write\" }", s.Name)
		if n.Partition != "" {
			rule = fmt.Sprintf("partition %q {\n  namespace %q {\n%s\n  }\n}", n.Partition, s.Namespace, rule)
		}
		rules = append(rules, rule)
	}
	return strings.Join(rules, "\n")
}

const terminatingText = "Services that a terminating gateway links"

// apiGatewayRules and meshGatewayRules are the rules of consul-ecs v0.8 and later.
func (n Naming) apiGatewayRules() string {
	rules := `node_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }`
	if n.Partition != "" {
		rules = "namespace_prefix \"\" {\n" + rules + "\n}"
	}
	return "mesh = \"read\"\n" + rules
}

func (n Naming) meshGatewayRules() string {
	rules := `mesh = "write"
peering = "read"`
	if n.Partition == defaultName {
		rules += "\npartition_prefix \"\" {\n  peering = \"read\"\n}"
	}
	return rules
}

// gatewayPolicies are the policies that all gateways of a kind share.
func (n Naming) gatewayPolicies() map[string]Policy {
	return map[string]Policy{
		apiGateway:  {Name: apiGatewayPolicy, Description: "API Gateway token Policy", Rules: n.apiGatewayRules()},
		meshGateway: {Name: meshGatewayPolicy, Description: "Mesh Gateway token Policy", Rules: n.meshGatewayRules()},
	}
}

// gatewayLinks are the policies of a gateway's token beside those of a service's.
func (v *View) gatewayLinks(s Service) []string {
	kind := v.Kinds[s]
	if shared, ok := v.Naming.gatewayPolicies()[kind]; ok {
		return []string{shared.Name}
	}
	if kind == TerminatingGateway && slices.ContainsFunc(v.Terminating, func(t Terminating) bool { return t.Gateway == s && v.Naming.unusable(t) == "" }) {
		return []string{v.Naming.TerminatingPolicy(s)}
	}
	return nil
}

// unusable says why no policy is made of a terminating gateway's entry, or "".
func (n Naming) unusable(t Terminating) string {
	for _, s := range append([]Service{t.Gateway}, t.Services...) {
		switch {
		case s.Name == "*":
			return fmt.Sprintf("terminating gateway %s links every service (*): the right to be every one of them is not given by a config entry; name the services, or give the gateway a policy by hand", t.Gateway)
		case servicename.Chars(s.Name) != nil:
			return fmt.Sprintf("terminating gateway %s: service name %q %v", t.Gateway, s.Name, servicename.Chars(s.Name))
		}
	}
	if name := n.TerminatingPolicy(t.Gateway); len(name) > maxPolicyName {
		return fmt.Sprintf("terminating gateway %s would have the policy %q, whose name is longer than %d characters", t.Gateway, name, maxPolicyName)
	}
	if len(t.Services) == 0 {
		return fmt.Sprintf("terminating gateway %s links no service", t.Gateway)
	}
	return ""
}

// gateways makes what the tokens of gateways need beside those of services.
func (p *planner) gateways() {
	for _, kind := range []string{apiGateway, meshGateway} {
		if !slices.ContainsFunc(Sorted(p.Live), func(s Service) bool { return p.Kinds[s] == kind }) {
			continue
		}
		want := p.Naming.gatewayPolicies()[kind]
		if ops, ok := p.policy(GatewaySubject, want); ok {
			p.common(kind+"s", ops)
		}
	}
	if !p.GatewaysRead {
		return
	}
	wanted := map[string]bool{}
	for _, t := range p.Terminating {
		if why := p.Naming.unusable(t); why != "" {
			p.find(GatewaySubject, why, false)
			continue
		}
		wanted[fold(p.Naming.TerminatingPolicy(t.Gateway))] = true
		p.terminating(t)
	}
	for _, have := range p.Policies {
		if have.Description == terminatingText && strings.HasSuffix(fold(have.Name), "-terminating-gateway-policy") && !wanted[fold(have.Name)] {
			p.common("terminating gateway that is no more", []Op{{Kind: DeletePolicy, Policy: have}})
		}
	}
}

// common adds a chain that goes before all others, and whose policies they find.
func (p *planner) common(subject string, ops []Op) {
	for _, op := range ops {
		if op.Kind == CreatePolicy {
			p.policies[fold(op.Policy.Name)] = op.Policy
		}
	}
	if len(ops) > 0 {
		p.plan.Common = append(p.plan.Common, Chain{For: subject, Ops: ops})
	}
}

// terminating brings a terminating gateway's policy into step with its config entry.
func (p *planner) terminating(t Terminating) {
	want := Policy{Name: p.Naming.TerminatingPolicy(t.Gateway), Description: terminatingText, Rules: p.Naming.terminatingRules(t)}
	have, exists := p.policies[fold(want.Name)]
	var ops []Op
	switch {
	case !exists:
		ops = append(ops, Op{Kind: CreatePolicy, Policy: want})
	case have.Description != terminatingText:
		p.find(GatewaySubject, fmt.Sprintf("policy %s was written by somebody else; the gateway has no right to what it links before it is renamed or deleted", have.Name), true)
		return
	case have.Rules != "" && !sameRules(have.Rules, want.Rules):
		want.ID, want.Name = have.ID, have.Name
		ops = append(ops, Op{Kind: UpdatePolicy, Policy: want})
	}
	if p.Logins != nil {
		name := p.Naming.terminatingRole(t.Gateway)
		role, there := p.Logins.Roles[name]
		if !there {
			role = Role{Name: name, Description: terminatingText}
		}
		if len(role.Policies) == 0 {
			role.Policies = []Link{{ID: have.ID, Name: want.Name}}
			ops = append(ops, Op{Kind: PutRole, Role: role})
		}
	}
	p.common("terminating gateway "+t.Gateway.String(), ops)
}
