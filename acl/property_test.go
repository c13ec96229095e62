package acl

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/internal/secret"
)

// see makes the World of everything in the model.
func (m *model) see(t testing.TB, n Naming) World {
	t.Helper()
	ctx := t.Context()
	gate := m.gate
	m.gate = nil
	defer func() { m.gate = gate }()
	w := World{Naming: n, Now: time.Now(), MakeSecrets: true, Live: map[Service][]string{}, Ended: map[Service]bool{}, Secrets: map[Service]Secret{}, Reports: map[Service][]Report{}}
	for _, arn := range slices.Sorted(maps.Keys(m.tasks)) {
		if k := classify(m.tasks[arn], n); k.skip == "" {
			w.Live[k.service] = append(w.Live[k.service], arn)
		}
	}
	w.Tokens, _ = m.Tokens(ctx)
	w.Policies, _ = m.Policies(ctx)
	w.Namespaces, _ = m.Namespaces(ctx)
	v := newView(w)
	for _, have := range []map[Service]bool{having(v, nil), keys(v.ownPolicy), keys(w.Live)} {
		for s := range have {
			if len(w.Live[s]) == 0 {
				w.Ended[s] = true
			}
			name := n.secret(s)
			content, version, err := m.GetSecret(ctx, name)
			w.Secrets[s] = parseSecret(name, version, content)
			if errors.Is(err, ErrMissing) {
				w.Secrets[s] = Secret{Name: name, Missing: true}
			}
			w.Reports[s] = slices.Clone(m.reports[s])
		}
	}
	content, version, err := m.GetSecret(ctx, "pre-consul-client-token")
	client := parseSecret("pre-consul-client-token", version, content)
	client.Missing = errors.Is(err, ErrMissing)
	w.Client = &client
	return w
}

func keys[V any](m map[Service]V) map[Service]bool {
	out := map[Service]bool{}
	for s := range m {
		out[s] = true
	}
	return out
}

// meddle changes the model as people, ECS and crashed writers would.
func (m *model) meddle(r *rand.Rand, tags []string) {
	names := []string{"a", "b", "c", "d"}
	name := names[r.IntN(len(names))]
	secretName := "pre-" + name
	if len(tags) > 0 {
		secretName += "-" + tags[3] + "-" + tags[1]
	}
	accessors := slices.DeleteFunc(slices.Sorted(maps.Keys(m.tokens)), func(a string) bool { return strings.HasPrefix(a, "00000000") })
	switch r.IntN(12) {
	case 0, 1, 2:
		m.run(name, tags...)
	case 3, 4:
		if arns := slices.Sorted(maps.Keys(m.tasks)); len(arns) > 0 {
			m.stop(arns[r.IntN(len(arns))])
		}
	case 5:
		m.setSecret(secretName, emptySecret)
	case 6:
		m.setSecret(secretName, string(newCreds().json()))
	case 7:
		delete(m.secrets, secretName)
	case 8:
		if len(accessors) > 0 {
			delete(m.tokens, accessors[r.IntN(len(accessors))])
		}
	case 9:
		policies := slices.DeleteFunc(slices.Sorted(maps.Keys(m.policies)), func(p string) bool { return strings.HasPrefix(p, "foreign") })
		if len(policies) > 0 {
			m.dropPolicy(policies[r.IntN(len(policies))])
		}
	case 10:
		if len(accessors) > 0 { // one of the IDs is edited
			t := m.tokens[accessors[r.IntN(len(accessors))]]
			m.setSecret(secretName, string(Creds{t.AccessorID, "11111111-1111-4111-8111-111111111111"}.json()))
		}
	case 11:
		if len(accessors) > 0 {
			t := m.tokens[accessors[r.IntN(len(accessors))]]
			t.Policies = nil
			m.tokens[t.AccessorID] = t
		}
	}
}

// TestReconcileConverges lets the world change at random between the look and
// the writes, and the writes fail at random, before and after their effect. As
// soon as that ends, a few looks put everything right, and the next one finds
// nothing to do. What is not ours is as it was.
func TestReconcileConverges(t *testing.T) {
	for _, partition := range []string{"", "p"} {
		var tags []string
		if partition != "" {
			tags = []string{tagPartition, "p", tagNamespace, "n1"}
		}
		t.Run("partition "+partition, func(t *testing.T) {
			seeds := uint64(200)
			if testing.Short() {
				seeds = 40
			}
			for seed := range seeds {
				if err := converge(t, seed, partition, tags); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

func converge(t *testing.T, seed uint64, partition string, tags []string) error {
	r := rand.New(rand.NewPCG(seed, 42))
	m := newModel()
	foreign := foreigners(m)
	c := m.controller(t, func(c *Config) { c.Partition = partition })
	for range 25 {
		w := m.see(t, c.naming)
		for range r.IntN(3) {
			m.meddle(r, tags)
		}
		plan := Reconcile(w)
		m.gate = func(string, int) error {
			switch r.IntN(6) {
			case 0:
				return errCrashed
			case 1:
				return errLostAnswer
			}
			return nil
		}
		c.oneByOne(t, plan)
		m.gate = nil
	}
	for range 4 {
		w := m.see(t, c.naming)
		plan := Reconcile(w)
		if plan.Empty() {
			break
		}
		for _, o := range c.oneByOne(t, plan) {
			if o.err != nil && !errors.Is(o.err, ErrConflict) {
				return fmt.Errorf("%s: %w", o.chain.For, o.err)
			}
		}
		m.reportAll(t, c.naming)
	}
	if plan := Reconcile(m.see(t, c.naming)); !plan.Empty() {
		return fmt.Errorf("still to do: %v", plan)
	}
	for a, want := range foreign.tokens {
		if m.tokens[a].Description != want.Description {
			return fmt.Errorf("foreign token %s was touched", a)
		}
	}
	for n, want := range foreign.policies {
		if m.policies[n] != want {
			return fmt.Errorf("foreign policy %s was touched", n)
		}
	}
	return m.checkButFindings(t, c.naming)
}

// oneByOne is apply without concurrency, so that the seed decides.
func (c *Controller) oneByOne(t *testing.T, plan Plan) (out []outcome) {
	shared := made{}
	for _, ch := range plan.Common {
		o := c.carryOut(t.Context(), ch, nil)
		maps.Copy(shared, o.made)
		out = append(out, o)
	}
	for _, ch := range plan.Chains {
		out = append(out, c.carryOut(t.Context(), ch, shared))
	}
	return out
}

// checkButFindings is check for the services of which nothing is found wrong:
// a secret may name a token that is another service's, by hand.
func (m *model) checkButFindings(t *testing.T, n Naming) error {
	err := m.check(n)
	if err == nil {
		return nil
	}
	plan := Reconcile(m.see(t, n))
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !slices.ContainsFunc(plan.Findings, func(f Finding) bool {
			return f.Subject != "" && (strings.HasPrefix(line, f.Subject+":") || strings.HasPrefix(line, f.Subject+" "))
		}) {
			return errors.New(line)
		}
	}
	return nil
}

// reportAll lets every task pick up the token of its secret, and say so.
func (m *model) reportAll(t *testing.T, n Naming) {
	for s, arns := range m.see(t, n).Live {
		m.reports[s] = nil
		sec := parseSecret("", "", secret.String(m.content(n.secret(s))))
		for _, arn := range arns {
			m.reports[s] = append(m.reports[s], Report{TaskID: arn[strings.LastIndexByte(arn, '/')+1:], AccessorID: sec.Creds.AccessorID})
		}
	}
}

type foreignObjects struct {
	tokens   map[string]Token
	policies map[string]Policy
}

// foreigners puts objects into the model that look like ours and are not.
func foreigners(m *model) foreignObjects {
	f := foreignObjects{map[string]Token{}, map[string]Policy{}}
	for i, d := range []string{
		"Token for a service\nconsul.hashicorp.com/cluster: " + modelCluster + "-2",
		"Token for a service\nconsul.hashicorp.com/cluster: pro",
		"Token for a service\nconsul.hashicorp.com/cluster: " + modelCluster + "\nand more",
		"Token for  service\nconsul.hashicorp.com/cluster: " + modelCluster,
		"a note: Token for a service\nconsul.hashicorp.com/cluster: prod",
		"",
	} {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		f.tokens[id] = Token{AccessorID: id, SecretID: "s" + newCreds().SecretID, Description: d}
		p := "foreign-" + fmt.Sprint(i)
		f.policies[p] = Policy{ID: p, Name: p, Description: strings.Replace(d, "Token", "Policy", 1)}
	}
	maps.Copy(m.tokens, f.tokens)
	maps.Copy(m.policies, f.policies)
	return f
}
