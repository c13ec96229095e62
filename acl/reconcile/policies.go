package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// sharedPolicies are the policies that the tokens of all services have, beside their own.
func (n Naming) sharedPolicies() []Policy {
	var all []Policy
	if n.Partition != "" {
		all = append(all, Policy{Name: CrossNamespacePolicy, Description: crossNamespaceDescription, Rules: n.crossNamespaceRules()})
	}
	if n.Mode.agentless() {
		all = append(all, n.taskNodePolicy())
	}
	return all
}

func (n Naming) taskNodePolicy() Policy {
	return Policy{Name: TaskNodePolicy, Description: taskNodeDescription, Rules: n.taskNodeRules()}
}

// sharedSubject is the subject of what services share.
func (n Naming) sharedSubject() string {
	if n.Partition == "" {
		return "services"
	}
	return PartitionSubject(n.Partition)
}

// shared makes what several services share: policies, and Enterprise's namespaces, which are
// never deleted.
func (p *planner) shared() {
	if len(p.Live) == 0 {
		return
	}
	subject := p.Naming.sharedSubject()
	var ops []Op
	for _, want := range p.Naming.sharedPolicies() {
		made, ok := p.policy(subject, want)
		if !ok {
			p.sharedProblem = fmt.Sprintf("policy %s of %s is somebody else's", want.Name, subject)
			return
		}
		ops = append(ops, made...)
	}
	p.common(subject, ops)
	if p.Naming.Partition == "" {
		return
	}
	made := map[string]bool{}
	for _, s := range Sorted(p.Live) {
		if !slices.Contains(p.Namespaces, s.Namespace) && !made[s.Namespace] {
			made[s.Namespace] = true
			p.plan.Common = append(p.plan.Common, Chain{For: namespaceSubject(s.Namespace), Ops: []Op{{Kind: CreateNamespace, Name: s.Namespace}}})
		}
	}
}

// policy makes sure that the wanted policy exists, and takes the wanted description for ours.
func (p *planner) policy(subject string, want Policy) (ops []Op, ok bool) {
	return p.policyOf(subject, want, func(text string) bool { return text == want.Description })
}

// policyOf makes sure that the wanted policy exists. One of that name is used, and
// never changed, when its description is ours, or its rules are; any other is
// somebody else's, who may have put anything into it: ok is false, and a failure found.
func (p *planner) policyOf(subject string, want Policy, ours func(description string) bool) (ops []Op, ok bool) {
	have, exists := p.policies[fold(want.Name)]
	same := sameRules(have.Rules, want.Rules)
	switch {
	case !exists:
		return []Op{{Kind: CreatePolicy, Policy: want}}, true
	case ours(have.Description):
		if have.Rules != "" && !same {
			p.find(PolicySubject(want.Name), "its rules were edited by hand; it is used as it is", false)
		}
		return nil, true
	case same:
		return nil, true
	case have.Rules == "":
		p.find(subject, fmt.Sprintf("policy %s was written by somebody else, and its rules could not be read; no token is linked to it", have.Name), true)
	default:
		p.find(subject, fmt.Sprintf("policy %s was written by somebody else: neither its description nor its rules are ours, so no token is linked to it; rename or delete it", have.Name), true)
	}
	return nil, false
}

// PolicySubject is the subject of findings on a policy.
func PolicySubject(name string) string { return "policy " + name }

// PartitionSubject and namespaceSubject are those of what services share.
func PartitionSubject(name string) string { return "partition " + name }

func namespaceSubject(name string) string { return "namespace " + name }

// findClashes are the services that would share the name of a policy or a secret
// with another one, which has a token already or comes first: with namespaces the
// parts of a name run into each other (pay in api-eu, pay-api in eu).
func (p *planner) findClashes() map[Service]Service {
	all := map[Service]bool{}
	for s := range p.Live {
		all[s] = true
	}
	for s := range p.own {
		all[s] = true
	}
	maps.DeleteFunc(all, func(s Service, _ bool) bool { return p.Naming.Refuses(s) != "" })
	order := Sorted(all)
	slices.SortStableFunc(order, func(a, b Service) int { return -cmp.Compare(min(len(p.own[a]), 1), min(len(p.own[b]), 1)) })
	clashes, taken := map[Service]Service{}, map[string]Service{}
	for _, s := range order {
		names := []string{"policy " + fold(p.Naming.Policy(s)), "secret " + fold(p.Naming.Secret(s))}
		for _, name := range names {
			if other, ok := taken[name]; ok {
				clashes[s] = other
			}
		}
		if _, refused := clashes[s]; !refused {
			for _, name := range names {
				taken[name] = s
			}
		}
	}
	return clashes
}
