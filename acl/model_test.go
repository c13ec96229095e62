package acl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/secret"
)

// model is AWS and Consul in memory, behind the controller's interfaces. gate is
// asked before each call with its name and number; what it returns fails the
// call before it has an effect, or after it when it is errLostAnswer.
type model struct {
	mu       sync.Mutex
	gate     func(call string, n int) error
	calls    map[string]int
	n        int
	tasks    map[string]TaskInfo // running
	secrets  map[string]*modelSecret
	tokens   map[string]Token // by accessor
	policies map[string]Policy
	spaces   []string
	reports  map[Service][]Report
	denied   map[string]bool // secrets that cannot be read
	serial   int
}

type modelSecret struct {
	versions map[string]secret.String
	current  string
}

var errLostAnswer = errors.New("the answer was lost")

func newModel() *model {
	return &model{calls: map[string]int{}, tasks: map[string]TaskInfo{}, secrets: map[string]*modelSecret{}, tokens: map[string]Token{},
		policies: map[string]Policy{}, spaces: []string{"default"}, reports: map[Service][]Report{}, denied: map[string]bool{}}
}

// do makes a call: f under the lock, unless the gate is shut.
func (m *model) do(ctx context.Context, call string, f func() error) error {
	m.mu.Lock()
	m.n++
	n, gate := m.n, m.gate
	m.calls[call]++
	m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	var shut error
	if gate != nil {
		shut = gate(call, n)
	}
	if shut != nil && !errors.Is(shut, errLostAnswer) {
		return shut
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := f(); err != nil {
		return err
	}
	return shut
}

// locked changes the model by hand while a controller works.
func (m *model) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

const modelCluster = "arn:aws:ecs:us-east-1:123456789012:cluster/prod"

// run starts a task of a service and gives its ARN.
func (m *model) run(service string, tags ...string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serial++
	arn := fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/prod/%032x", m.serial)
	t := TaskInfo{ARN: arn, Definition: "arn:aws:ecs:us-east-1:123456789012:task-definition/fam:3", Tags: map[string]string{tagMesh: "true", tagService: service}}
	for i := 0; i+1 < len(tags); i += 2 {
		t.Tags[tags[i]] = tags[i+1]
	}
	m.tasks[arn] = t
	return arn
}

func (m *model) stop(arns ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, arn := range arns {
		delete(m.tasks, arn)
	}
}

// setSecret writes a secret as somebody by hand would.
func (m *model) setSecret(name, content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.secrets[name]
	if s == nil {
		s = &modelSecret{versions: map[string]secret.String{}}
		m.secrets[name] = s
	}
	m.serial++
	s.current = fmt.Sprintf("by-hand-%d", m.serial)
	s.versions[s.current] = secret.String(content)
}

func (m *model) content(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.secrets[name]; s != nil {
		return s.versions[s.current].Reveal()
	}
	return ""
}

func (m *model) creds(t testing.TB, name string) Creds {
	t.Helper()
	var doc struct {
		A string `json:"accessor_id"`
		T string `json:"token"`
	}
	if err := json.Unmarshal([]byte(m.content(name)), &doc); err != nil {
		t.Fatalf("secret %s: %v", name, err)
	}
	return Creds{AccessorID: doc.A, SecretID: secret.String(doc.T)}
}

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

// controller makes a controller for the model; change may adapt its config.
func (m *model) controller(t testing.TB, change ...func(*Config)) *Controller {
	t.Helper()
	cfg := Config{Cluster: modelCluster, SecretPrefix: "pre", Log: hclog.NewNullLogger(),
		Rates: Rates{ECS: 1e6, ECSBurst: 1e6, Read: 1e6, Write: 1e6}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg, m, m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// own are the accessors of our tokens of a service.
func (m *model) own(n Naming, s Service) (accessors []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a, t := range m.tokens {
		if o, ok := n.owner("Token", t.Description); ok && o == s {
			accessors = append(accessors, a)
		}
	}
	return accessors
}

// check holds the promise: every service with tasks has exactly one token of
// ours, which has the IDs of its secret and its policy; nothing of ours is left
// of any other service.
func (m *model) check(n Naming) error {
	live := map[Service]bool{}
	m.mu.Lock()
	for _, info := range m.tasks {
		if k := classify(info, n, ""); k.skip == "" {
			live[k.service] = true
		}
	}
	tokens, policies := slices.Collect(maps.Values(m.tokens)), slices.Collect(maps.Values(m.policies))
	m.mu.Unlock()
	count := map[Service]int{}
	var errs []error
	for _, t := range tokens {
		s, ok := n.owner("Token", t.Description)
		if !ok {
			continue
		}
		if !live[s] {
			errs = append(errs, fmt.Errorf("%s has ended, but has token %s", s, t.AccessorID))
			continue
		}
		count[s]++
		if want := string(Creds{t.AccessorID, t.SecretID}.json()); m.content(n.secret(s)) != want {
			errs = append(errs, fmt.Errorf("%s: secret is not the token", s))
		}
		for _, p := range n.links(s) {
			if !slices.Contains(t.Policies, p) {
				errs = append(errs, fmt.Errorf("%s: token lacks policy %s", s, p))
			}
		}
	}
	for s := range live {
		if count[s] != 1 {
			errs = append(errs, fmt.Errorf("%s has %d tokens", s, count[s]))
		}
	}
	for _, p := range policies {
		if s, ok := n.owner("Policy", p.Description); ok && !live[s] {
			errs = append(errs, fmt.Errorf("%s has ended, but has policy %s", s, p.Name))
		}
	}
	return errors.Join(errs...)
}
