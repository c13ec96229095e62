package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"meshtask/internal/secret"
)

func (m *model) ListTasks(ctx context.Context, _, page string) (arns []string, next string, err error) {
	err = m.do(ctx, "ListTasks", func() error {
		all := slices.Sorted(maps.Keys(m.tasks))
		from := 0
		if page != "" {
			fmt.Sscan(page, &from)
		}
		to := min(from+100, len(all))
		arns = all[min(from, len(all)):to]
		if to < len(all) {
			next = fmt.Sprint(to)
		}
		return nil
	})
	return arns, next, err
}

func (m *model) DescribeTasks(ctx context.Context, _ string, arns []string) (infos []TaskInfo, err error) {
	err = m.do(ctx, "DescribeTasks", func() error {
		if len(arns) == 0 || len(arns) > 100 {
			return fmt.Errorf("DescribeTasks of %d tasks", len(arns))
		}
		for _, arn := range arns {
			if t, ok := m.tasks[arn]; ok {
				infos = append(infos, t)
			}
		}
		return nil
	})
	return infos, err
}

func (m *model) GetSecret(ctx context.Context, name string) (content secret.String, version string, err error) {
	err = m.do(ctx, "GetSecret", func() error {
		s := m.secrets[name]
		switch {
		case m.denied[name]:
			return &Denied{By: "AWS", Needs: "secretsmanager:GetSecretValue on " + name, Reason: "no"}
		case s == nil:
			return ErrMissing
		}
		content, version = s.versions[s.current], s.current
		return nil
	})
	return content, version, err
}

func (m *model) PutSecret(ctx context.Context, name string, content secret.String, replaces string) (version string, err error) {
	version = successor(name, replaces)
	err = m.do(ctx, "PutSecret", func() error {
		s := m.secrets[name]
		if s == nil {
			return ErrMissing
		}
		if have, ok := s.versions[version]; ok {
			if have != content {
				return ErrConflict
			}
			return nil
		}
		s.versions[version], s.current = content, version
		return nil
	})
	return version, err
}

func (m *model) CreateSecret(ctx context.Context, name string) error {
	return m.do(ctx, "CreateSecret", func() error {
		if m.secrets[name] == nil {
			m.secrets[name] = &modelSecret{versions: map[string]secret.String{"first": emptySecret}, current: "first"}
		}
		return nil
	})
}

func (m *model) Tokens(ctx context.Context) (tokens []Token, err error) {
	err = m.do(ctx, "Tokens", func() error {
		for _, a := range slices.Sorted(maps.Keys(m.tokens)) {
			t := m.tokens[a]
			t.Policies = slices.Clone(t.Policies)
			tokens = append(tokens, t)
		}
		return nil
	})
	return tokens, err
}

func (m *model) PutToken(ctx context.Context, t Token) error {
	return m.do(ctx, "PutToken", func() error {
		for _, p := range t.Policies {
			if _, ok := m.policies[p]; !ok {
				return fmt.Errorf("no such ACL policy with name %q", p)
			}
		}
		if have, ok := m.tokens[t.AccessorID]; ok {
			if t.SecretID != "" && have.SecretID != t.SecretID {
				return ErrConflict
			}
			for _, p := range t.Policies {
				if !slices.Contains(have.Policies, p) {
					have.Policies = append(have.Policies, p)
				}
			}
			m.tokens[t.AccessorID] = have
			return nil
		}
		for _, o := range m.tokens {
			if o.SecretID == t.SecretID {
				return ErrConflict
			}
		}
		if t.AccessorID == "" || t.SecretID == "" {
			return errors.New("a token without IDs")
		}
		t.Created, t.Policies = time.Now(), slices.Clone(t.Policies)
		m.tokens[t.AccessorID] = t
		return nil
	})
}

func (m *model) DeleteToken(ctx context.Context, accessor string) error {
	return m.do(ctx, "DeleteToken", func() error { delete(m.tokens, accessor); return nil })
}

func (m *model) Policies(ctx context.Context) (policies []Policy, err error) {
	err = m.do(ctx, "Policies", func() error {
		for _, n := range slices.Sorted(maps.Keys(m.policies)) {
			p := m.policies[n]
			p.Hash, p.Rules = p.Rules, ""
			policies = append(policies, p)
		}
		return nil
	})
	return policies, err
}

func (m *model) PolicyRules(ctx context.Context, id string) (rules string, err error) {
	err = m.do(ctx, "PolicyRules", func() error { rules = m.policies[id].Rules; return nil })
	return rules, err
}

func (m *model) CreatePolicy(ctx context.Context, p Policy) error {
	return m.do(ctx, "CreatePolicy", func() error {
		if _, ok := m.policies[p.Name]; !ok {
			p.ID = p.Name
			m.policies[p.Name] = p
		}
		return nil
	})
}

func (m *model) DeletePolicy(ctx context.Context, id string) error {
	return m.do(ctx, "DeletePolicy", func() error { m.dropPolicy(id); return nil })
}

// dropPolicy deletes a policy and, as Consul does, the links to it.
func (m *model) dropPolicy(id string) {
	delete(m.policies, id)
	for a, t := range m.tokens {
		t.Policies = slices.DeleteFunc(slices.Clone(t.Policies), func(p string) bool { return p == id })
		m.tokens[a] = t
	}
}

func (m *model) Namespaces(ctx context.Context) (names []string, err error) {
	err = m.do(ctx, "Namespaces", func() error { names = slices.Clone(m.spaces); return nil })
	return names, err
}

func (m *model) CreateNamespace(ctx context.Context, name string) error {
	return m.do(ctx, "CreateNamespace", func() error {
		if _, ok := m.policies[crossNamespacePolicy]; !ok {
			return errors.New("the namespace's default policy does not exist")
		}
		if !slices.Contains(m.spaces, name) {
			m.spaces = append(m.spaces, name)
		}
		return nil
	})
}

func (m *model) Reports(ctx context.Context, s Service) (reports []Report, err error) {
	err = m.do(ctx, "Reports", func() error { reports = slices.Clone(m.reports[s]); return nil })
	return reports, err
}
