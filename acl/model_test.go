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

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
	"meshtask/internal/secret"
)

// model is AWS and Consul in memory, behind the controller's interfaces. gate is
// asked before each call with its name and number; what it returns fails the
// call before it has an effect, or after it when it is errLostAnswer.
type model struct {
	mu         sync.Mutex
	gate       func(call string, n int) error
	calls      map[string]int
	n          int
	tasks      map[string]reconcile.TaskInfo // running
	secrets    map[string]*modelSecret
	tokens     map[string]reconcile.Token // by accessor
	policies   map[string]reconcile.Policy
	spaces     []string
	partitions []string
	reports    map[reconcile.Service][]reconcile.Report
	denied     map[string]bool // secrets that cannot be read
	serial     int
	logins     reconcile.Logins
	stopping   map[string]bool           // tasks that ECS no longer lists, but describes
	nodes      map[string]reconcile.Node // of the catalog
	instances  []reconcile.Instance
	linked     []reconcile.Terminating
}

type modelSecret struct {
	versions map[string]secret.String
	current  string
}

var errLostAnswer = errors.New("the answer was lost")

func newModel() *model {
	return &model{calls: map[string]int{}, tasks: map[string]reconcile.TaskInfo{}, secrets: map[string]*modelSecret{}, tokens: map[string]reconcile.Token{},
		policies: map[string]reconcile.Policy{}, spaces: []string{"default"}, partitions: []string{"default", "p"}, reports: map[reconcile.Service][]reconcile.Report{}, denied: map[string]bool{},
		stopping: map[string]bool{}, nodes: map[string]reconcile.Node{},
		logins: reconcile.Logins{Primary: true, Methods: map[string]reconcile.AuthMethod{}, Rules: map[string][]reconcile.BindingRule{}, Roles: map[string]reconcile.Role{}}}
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
	t := reconcile.TaskInfo{ARN: arn, Definition: "arn:aws:ecs:us-east-1:123456789012:task-definition/fam:3", Tags: map[string]string{tagMesh: "true", tagService: service}}
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

func (m *model) creds(t testing.TB, name string) reconcile.Creds {
	t.Helper()
	var doc struct {
		A string `json:"accessor_id"`
		T string `json:"token"`
	}
	if err := json.Unmarshal([]byte(m.content(name)), &doc); err != nil {
		t.Fatalf("secret %s: %v", name, err)
	}
	return reconcile.Creds{AccessorID: doc.A, SecretID: secret.String(doc.T)}
}

// controller makes a controller for the model; change may adapt its config.
func (m *model) controller(t testing.TB, change ...func(*Config)) *Controller {
	t.Helper()
	cfg := Config{Cluster: modelCluster, SecretPrefix: "pre", Log: hclog.NewNullLogger(),
		Rates: Rates{ECS: 1e6, ECSBurst: 1e6, Read: 1e6, Write: 1e6}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := newController(cfg, deps{ecs: m, secrets: m, tokens: m, policies: m, rules: m, partitions: m, namespaces: m, reports: m, logins: m, catalog: m})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asks changes whom a controller asks.
func (c *Controller) asks(change func(*deps)) {
	change(&c.deps)
	c.exec.deps = c.deps
}

// The tags of a mesh task.
const (
	tagMesh      = "consul.hashicorp.com/mesh"
	tagService   = "consul.hashicorp.com/service-name"
	tagPartition = "consul.hashicorp.com/partition"
	tagNamespace = "consul.hashicorp.com/namespace"
)

// owned are our tokens, by service.
func (m *model) owned(n reconcile.Naming) map[reconcile.Service][]reconcile.Token {
	m.mu.Lock()
	defer m.mu.Unlock()
	return reconcile.See(reconcile.World{Naming: n, Tokens: slices.Collect(maps.Values(m.tokens))}).Own()
}

// own are the accessors of our tokens of a service.
func (m *model) own(n reconcile.Naming, s reconcile.Service) (accessors []string) {
	for _, t := range m.owned(n)[s] {
		accessors = append(accessors, t.AccessorID)
	}
	return accessors
}

// live are the tasks that are served, by service.
func (m *model) live(n reconcile.Naming) map[reconcile.Service][]string {
	live := map[reconcile.Service][]string{}
	for _, arn := range slices.Sorted(maps.Keys(m.tasks)) {
		if s, skip := reconcile.Classify(m.tasks[arn], n); skip == "" {
			live[s] = append(live[s], arn)
		}
	}
	return live
}

// linksOf are the links of a service's token.
func linksOf(n reconcile.Naming, s reconcile.Service) []reconcile.Link {
	if n.Partition == "" {
		return linkTo(n.Policy(s))
	}
	return linkTo(n.Policy(s), reconcile.CrossNamespacePolicy)
}

// rulesOf are the rules of a service's policy.
func rulesOf(service string) string {
	return fmt.Sprintf(`service %q { policy = "write" } service %q { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`,
		service, service+"-sidecar-proxy")
}

// check holds the promise: every service with tasks has exactly one token of
// ours, which has the IDs of its secret and its policy; nothing of ours is left
// of any other service.
func (m *model) check(n reconcile.Naming) error {
	m.mu.Lock()
	live, policies := m.live(n), slices.Collect(maps.Values(m.policies))
	m.mu.Unlock()
	var errs []error
	owned := m.owned(n)
	for s, tokens := range owned {
		for _, t := range tokens {
			if len(live[s]) == 0 {
				errs = append(errs, fmt.Errorf("%s has ended, but has token %s", s, t.AccessorID))
				continue
			}
			want := reconcile.Creds{AccessorID: t.AccessorID, SecretID: t.SecretID}.JSON().Reveal()
			if m.content(n.Secret(s)) != want {
				errs = append(errs, fmt.Errorf("%s: secret is not the token", s))
			}
			for _, l := range linksOf(n, s) {
				if !slices.Contains(t.Policies, l) {
					errs = append(errs, fmt.Errorf("%s: token lacks policy %s", s, l.Name))
				}
			}
		}
	}
	for s := range live {
		if len(owned[s]) != 1 {
			errs = append(errs, fmt.Errorf("%s has %d tokens", s, len(owned[s])))
		}
	}
	for _, p := range policies {
		if s, ok := n.PolicyOwner(p); ok && len(live[s]) == 0 {
			errs = append(errs, fmt.Errorf("%s has ended, but has policy %s", s, p.Name))
		}
	}
	return errors.Join(errs...)
}
