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

	"meshtask/acl/reconcile"
	"meshtask/internal/secret"
)

// see makes the World of everything in the model.
func (m *model) see(t testing.TB, n reconcile.Naming) reconcile.World {
	t.Helper()
	ctx := t.Context()
	gate := m.gate
	m.gate = nil
	defer func() { m.gate = gate }()
	w := reconcile.World{Naming: n, Now: time.Now(), MakeSecrets: true, Live: m.live(n), Ended: map[reconcile.Service]bool{}, Secrets: map[reconcile.Service]reconcile.Secret{}, Reports: map[reconcile.Service][]reconcile.Report{}}
	w.Tokens, _ = m.Tokens(ctx)
	w.Policies, _ = m.Policies(ctx)
	w.Namespaces, _ = m.Namespaces(ctx)
	withPolicy := map[reconcile.Service]bool{}
	for _, p := range w.Policies {
		if s, ok := n.PolicyOwner(p); ok {
			withPolicy[s] = true
		}
	}
	for _, have := range []map[reconcile.Service]bool{keys(reconcile.See(w).Own()), withPolicy, keys(w.Live)} {
		for s := range have {
			if len(w.Live[s]) == 0 {
				w.Ended[s] = true
			}
			name := n.Secret(s)
			content, version, err := m.GetSecret(ctx, name)
			w.Secrets[s] = reconcile.ParseSecret(name, version, content)
			if errors.Is(err, errMissing) {
				w.Secrets[s] = reconcile.Secret{Name: name, Missing: true}
			}
			w.Reports[s] = slices.Clone(m.reports[s])
		}
	}
	content, version, err := m.GetSecret(ctx, "pre-consul-client-token")
	client := reconcile.ParseSecret("pre-consul-client-token", version, content)
	client.Missing = errors.Is(err, errMissing)
	w.Client = &client
	return w
}

func keys[V any](m map[reconcile.Service]V) map[reconcile.Service]bool {
	out := map[reconcile.Service]bool{}
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
		m.setSecret(secretName, reconcile.EmptySecret)
	case 6:
		m.setSecret(secretName, string(newCreds().JSON()))
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
			m.setSecret(secretName, string(reconcile.Creds{AccessorID: t.AccessorID, SecretID: "11111111-1111-4111-8111-111111111111"}.JSON()))
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
		plan := reconcile.Decide(w)
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
		plan := reconcile.Decide(w)
		if plan.Empty() {
			break
		}
		for _, o := range c.oneByOne(t, plan) {
			if o.err != nil && !errors.Is(o.err, errConflict) {
				return fmt.Errorf("%s: %w", o.chain.For, o.err)
			}
		}
		m.reportAll(t, c.naming)
	}
	if plan := reconcile.Decide(m.see(t, c.naming)); !plan.Empty() {
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
func (c *Controller) oneByOne(t *testing.T, plan reconcile.Plan) (out []outcome) {
	shared := policyIDs{}
	for _, ch := range plan.Common {
		o := c.exec.chain(t.Context(), ch, nil)
		maps.Copy(shared, o.made)
		out = append(out, o)
	}
	for _, ch := range plan.Chains {
		out = append(out, c.exec.chain(t.Context(), ch, shared))
	}
	return out
}

// checkButFindings is check for the services of which nothing is found wrong:
// a secret may name a token that is another service's, by hand.
func (m *model) checkButFindings(t *testing.T, n reconcile.Naming) error {
	err := m.check(n)
	if err == nil {
		return nil
	}
	plan := reconcile.Decide(m.see(t, n))
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !slices.ContainsFunc(plan.Findings, func(f reconcile.Finding) bool {
			return f.Subject != "" && (strings.HasPrefix(line, f.Subject+":") || strings.HasPrefix(line, f.Subject+" "))
		}) {
			return errors.New(line)
		}
	}
	return nil
}

// reportAll lets every task pick up the token of its secret, and say so.
func (m *model) reportAll(t *testing.T, n reconcile.Naming) {
	for s, arns := range m.see(t, n).Live {
		m.reports[s] = nil
		sec := reconcile.ParseSecret("", "", secret.String(m.content(n.Secret(s))))
		for _, arn := range arns {
			m.reports[s] = append(m.reports[s], reconcile.Report{TaskID: arn[strings.LastIndexByte(arn, '/')+1:], AccessorID: sec.Creds.AccessorID})
		}
	}
}

type foreignObjects struct {
	tokens   map[string]reconcile.Token
	policies map[string]reconcile.Policy
}

// foreigners puts objects into the model that look like ours and are not.
func foreigners(m *model) foreignObjects {
	f := foreignObjects{map[string]reconcile.Token{}, map[string]reconcile.Policy{}}
	for i, d := range []string{
		"Token for a service\nconsul.hashicorp.com/cluster: " + modelCluster + "-2",
		"Token for a service\nconsul.hashicorp.com/cluster: pro",
		"Token for a service\nconsul.hashicorp.com/cluster: " + modelCluster + "\nand more",
		"Token for  service\nconsul.hashicorp.com/cluster: " + modelCluster,
		"a note: Token for a service\nconsul.hashicorp.com/cluster: prod",
		"",
	} {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		f.tokens[id] = reconcile.Token{AccessorID: id, SecretID: "s" + newCreds().SecretID, Description: d}
		p := "foreign-" + fmt.Sprint(i)
		f.policies[p] = reconcile.Policy{ID: p, Name: p, Description: strings.Replace(d, "Token", "Policy", 1)}
	}
	maps.Copy(m.tokens, f.tokens)
	maps.Copy(m.policies, f.policies)
	return f
}
