package acl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// shared makes what several services share: Enterprise's namespaces, which are
// never deleted, and the policy for reading across them.
func (v *view) shared() {
	if v.Naming.Partition == "" || len(v.Live) == 0 {
		return
	}
	subject := partitionSubject(v.Naming.Partition)
	want := Policy{Name: crossNamespacePolicy, Description: crossNamespaceDescription, Rules: v.Naming.crossNamespaceRules()}
	ops, ok := v.policy(subject, want, func(text string) bool { return text == crossNamespaceDescription })
	if !ok {
		v.common = fmt.Sprintf("policy %s of %s is somebody else's", crossNamespacePolicy, subject)
		return
	}
	if len(ops) > 0 {
		v.plan.Common = append(v.plan.Common, Chain{For: subject, Ops: ops})
	}
	made := map[string]bool{}
	for _, s := range sorted(v.Live) {
		if !slices.Contains(v.Namespaces, s.Namespace) && !made[s.Namespace] {
			made[s.Namespace] = true
			v.plan.Common = append(v.plan.Common, Chain{For: namespaceSubject(s.Namespace), Ops: []Op{{Kind: CreateNamespace, Name: s.Namespace}}})
		}
	}
}

// policy makes sure that the wanted policy exists. One of that name is used, and
// never changed, when its description is ours, or its rules are; any other is
// somebody else's, who may have put anything into it: ok is false, and a failure found.
func (v *view) policy(subject string, want Policy, ours func(description string) bool) (ops []Op, ok bool) {
	have, exists := v.policies[fold(want.Name)]
	same := sameRules(have.Rules, want.Rules)
	switch {
	case !exists:
		return []Op{{Kind: CreatePolicy, Policy: want}}, true
	case ours(have.Description):
		if have.Rules != "" && !same {
			v.find(policySubject(want.Name), "its rules were edited by hand; it is used as it is", false)
		}
		return nil, true
	case same:
		return nil, true
	case have.Rules == "":
		v.find(subject, fmt.Sprintf("policy %s was written by somebody else, and its rules could not be read; no token is linked to it", have.Name), true)
	default:
		v.find(subject, fmt.Sprintf("policy %s was written by somebody else: neither its description nor its rules are ours, so no token is linked to it; rename or delete it", have.Name), true)
	}
	return nil, false
}

// policySubject is the subject of findings on a policy.
func policySubject(name string) string { return "policy " + name }

// partitionSubject and namespaceSubject are those of what services share.
func partitionSubject(name string) string { return "partition " + name }

func namespaceSubject(name string) string { return "namespace " + name }

// findDoubles are the services that would share the name of a policy or a secret
// with another one, which has a token already or comes first: with namespaces the
// parts of a name run into each other (pay in api-eu, pay-api in eu).
func (v *view) findDoubles() map[Service]Service {
	all := map[Service]bool{}
	for s := range v.Live {
		all[s] = true
	}
	for s := range v.own {
		all[s] = true
	}
	maps.DeleteFunc(all, func(s Service, _ bool) bool { return v.Naming.refuses(s) != "" })
	order := sorted(all)
	slices.SortStableFunc(order, func(a, b Service) int { return -cmp.Compare(min(len(v.own[a]), 1), min(len(v.own[b]), 1)) })
	doubles, taken := map[Service]Service{}, map[string]Service{}
	for _, s := range order {
		names := []string{"policy " + fold(v.Naming.policy(s)), "secret " + fold(v.Naming.secret(s))}
		for _, name := range names {
			if other, ok := taken[name]; ok {
				doubles[s] = other
			}
		}
		if _, refused := doubles[s]; !refused {
			for _, name := range names {
				taken[name] = s
			}
		}
	}
	return doubles
}
