package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshtask/acl/reconcile"
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

func (m *model) DescribeTasks(ctx context.Context, _ string, arns []string) (infos []reconcile.TaskInfo, err error) {
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
			return &denied{by: "AWS", needs: "secretsmanager:GetSecretValue on " + name, reason: "no"}
		case s == nil:
			return errMissing
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
			return errMissing
		}
		if have, ok := s.versions[version]; ok {
			if have != content {
				return errConflict
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
			m.secrets[name] = &modelSecret{versions: map[string]secret.String{"first": reconcile.EmptySecret}, current: "first"}
		}
		return nil
	})
}

func (m *model) Tokens(ctx context.Context) (tokens []reconcile.Token, err error) {
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

func (m *model) PutToken(ctx context.Context, t reconcile.Token) error {
	return m.do(ctx, "PutToken", func() error {
		t.Policies = slices.Clone(t.Policies)
		for i, l := range t.Policies {
			if l.ID == "" {
				return fmt.Errorf("policy %s is linked by its name", l.Name)
			}
			p, ok := m.policyByID(l.ID)
			if !ok {
				return fmt.Errorf("no such ACL policy with ID %q", l.ID)
			}
			t.Policies[i].Name = p.Name
		}
		if have, ok := m.tokens[t.AccessorID]; ok {
			if t.SecretID != "" && have.SecretID != t.SecretID {
				return errConflict
			}
			for _, l := range t.Policies {
				if !slices.Contains(have.Policies, l) {
					have.Policies = append(have.Policies, l)
				}
			}
			m.tokens[t.AccessorID] = have
			return nil
		}
		for _, o := range m.tokens {
			if o.SecretID == t.SecretID {
				return errConflict
			}
		}
		if t.AccessorID == "" || t.SecretID == "" {
			return errors.New("a token without IDs")
		}
		t.Created = time.Now()
		m.tokens[t.AccessorID] = t
		return nil
	})
}

func (m *model) DescribeToken(ctx context.Context, accessor, description string) error {
	return m.do(ctx, "DescribeToken", func() error {
		t, ok := m.tokens[accessor]
		if !ok {
			return fmt.Errorf("token %s %s", accessor, aclNotFound)
		}
		t.Description = description
		m.tokens[accessor] = t
		return nil
	})
}

func (m *model) DeleteToken(ctx context.Context, accessor string) error {
	return m.do(ctx, "DeleteToken", func() error { delete(m.tokens, accessor); return nil })
}

func (m *model) Policies(ctx context.Context) (policies []reconcile.Policy, err error) {
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
	err = m.do(ctx, "PolicyRules", func() error {
		p, _ := m.policyByID(id)
		rules = p.Rules
		return nil
	})
	return rules, err
}

func (m *model) policyByID(id string) (reconcile.Policy, bool) {
	for _, p := range m.policies {
		if p.ID == id {
			return p, true
		}
	}
	return reconcile.Policy{}, false
}

// CreatePolicy ignores case in the name, as Consul does.
func (m *model) CreatePolicy(ctx context.Context, p reconcile.Policy) (id string, err error) {
	err = m.do(ctx, "CreatePolicy", func() error {
		for name := range m.policies {
			if strings.EqualFold(name, p.Name) {
				return fmt.Errorf("policy %s %w", p.Name, errConflict)
			}
		}
		p.ID = policyID(p.Name)
		id, m.policies[p.Name] = p.ID, p
		return nil
	})
	return id, err
}

func (m *model) UpdatePolicy(ctx context.Context, p reconcile.Policy) error {
	return m.do(ctx, "UpdatePolicy", func() error {
		have, ok := m.policyByID(p.ID)
		if !ok {
			return errors.New("no such policy")
		}
		have.Rules = p.Rules
		m.policies[have.Name] = have
		return nil
	})
}

func policyID(name string) string { return "id-of-" + name }

// linkTo is the link to a policy that the model made.
func linkTo(names ...string) (links []reconcile.Link) {
	for _, name := range names {
		links = append(links, reconcile.Link{ID: policyID(name), Name: name})
	}
	return links
}

func (m *model) DeletePolicy(ctx context.Context, id string) error {
	return m.do(ctx, "DeletePolicy", func() error { p, _ := m.policyByID(id); m.dropPolicy(p.Name); return nil })
}

// dropPolicy deletes a policy and, as Consul does, the links to it.
func (m *model) dropPolicy(name string) {
	id := m.policies[name].ID
	delete(m.policies, name)
	for a, t := range m.tokens {
		t.Policies = slices.DeleteFunc(slices.Clone(t.Policies), func(l reconcile.Link) bool { return l.ID == id })
		m.tokens[a] = t
	}
}

func (m *model) Namespaces(ctx context.Context) (names []string, err error) {
	err = m.do(ctx, "Namespaces", func() error { names = slices.Clone(m.spaces); return nil })
	return names, err
}

func (m *model) CreateNamespace(ctx context.Context, name string) error {
	return m.do(ctx, "CreateNamespace", func() error {
		if _, ok := m.policies[reconcile.CrossNamespacePolicy]; !ok {
			return errors.New("the namespace's default policy does not exist")
		}
		if slices.Contains(m.spaces, name) {
			return fmt.Errorf("namespace %s %w", name, errConflict)
		}
		m.spaces = append(m.spaces, name)
		return nil
	})
}

func (m *model) Partitions(ctx context.Context) (names []string, err error) {
	err = m.do(ctx, "Partitions", func() error { names = slices.Clone(m.partitions); return nil })
	return names, err
}

func (m *model) CreatePartition(ctx context.Context, name string) error {
	return m.do(ctx, "CreatePartition", func() error {
		if slices.Contains(m.partitions, name) {
			return fmt.Errorf("partition %s %w", name, errConflict)
		}
		m.partitions = append(m.partitions, name)
		return nil
	})
}

func (m *model) Reports(ctx context.Context, s reconcile.Service) (reports []reconcile.Report, err error) {
	err = m.do(ctx, "Reports", func() error { reports = slices.Clone(m.reports[s]); return nil })
	return reports, err
}
