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
	tasks      map[string]TaskInfo // running
	secrets    map[string]*modelSecret
	tokens     map[string]Token // by accessor
	policies   map[string]Policy
	spaces     []string
	partitions []string
	reports    map[Service][]Report
	denied     map[string]bool // secrets that cannot be read
	serial     int
}

type modelSecret struct {
	versions map[string]secret.String
	current  string
}

var errLostAnswer = errors.New("the answer was lost")

func newModel() *model {
	return &model{calls: map[string]int{}, tasks: map[string]TaskInfo{}, secrets: map[string]*modelSecret{}, tokens: map[string]Token{},
		policies: map[string]Policy{}, spaces: []string{"default"}, partitions: []string{"default", "p"}, reports: map[Service][]Report{}, denied: map[string]bool{}}
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
		if k := classify(info, n); k.skip == "" {
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
			if !slices.Contains(t.Policies, linkTo(p)[0]) {
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
