package parts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/consulagent"
	"meshtask/e2e/harness"
	"meshtask/internal/registration"
	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// tokens makes what the ACL controller makes: a client token and one for service web.
func (b *agentBed) tokens() (agent, service string) {
	b.t.Helper()
	return b.token("client", `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`, ""),
		b.token("web-service", `service "web" { policy = "write" } service "web-sidecar-proxy" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`, "")
}

func (b *agentBed) token(name, rules, secret string) string {
	b.t.Helper()
	acl := b.server.API.ACL()
	if _, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil); err != nil {
		b.t.Fatal(err)
	}
	made, _, err := acl.TokenCreate(&api.ACLToken{SecretID: secret, Policies: []*api.ACLTokenPolicyLink{{Name: name}}}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return made.SecretID
}

// secure gives an agent of the bed its tokens.
func (a *oneAgent) secure(agent string, service func() string) *oneAgent {
	a.doc.ACLs, a.doc.AgentToken = true, agent
	a.cfg.Token = service
	a.client = consulagent.NewClient(consulagent.ClientConfig{Address: a.address + ":8500", Token: service, Node: a.doc.NodeName,
		Registration: registration.Registration{TaskID: strings.TrimPrefix(a.doc.NodeName, "ecs-"), Name: "web", Port: 8080, Containers: []string{"app"}},
		Report:       a.report})
	a.bed.t.Cleanup(a.client.Close)
	return a
}

func TestAgentACL(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{ACL: true})
	agent, service := b.tokens()
	a := b.agent("t1").secure(agent, func() string { return service })
	a.run(supervisor.Policy{}).up()
	ctx := t.Context()
	if err := a.client.Register(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.client.UpdateTTL(ctx, agentTTL, "passing", "up"); err != nil {
		t.Error(err)
	}
	if checks, err := a.client.Checks(ctx); err != nil || checks[agentTTL] != "passing" {
		t.Errorf("checks as the service sees them: %v, %v", checks, err)
	}
	if err := a.client.RemoveFromCatalog(ctx); err != nil {
		t.Error(err)
	}
	if result, err := a.client.Deregister(ctx); result != registration.Verified {
		t.Errorf("deregistered: %s, %v", result, err)
	}
	if result, _ := a.leave(); result != "verified" {
		t.Errorf("left: %s", result)
	}
	b.server.Empty(t, eventually.Patience)
}

// A token of another service is refused at once, and the error says what it lacks.
func TestAgentACLDenied(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{ACL: true})
	agent, _ := b.tokens()
	other := b.token("other", `service "api" { policy = "write" }`, "")
	a := b.agent("t1").secure(agent, func() string { return other })
	a.run(supervisor.Policy{}).up()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	begun := time.Now()
	err := a.client.Register(ctx)
	if err == nil || !strings.Contains(err.Error(), `service:write on "web"`) || strings.Contains(err.Error(), other) {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	if ctx.Err() != nil {
		t.Error("a refusal was waited out")
	}
}

// A token that comes late is waited for, without the 30 s for which an agent remembers
// that there was none.
func TestAgentACLTokenComesLate(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{ACL: true})
	agent := b.token("client", `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`, "")
	const secret = "7f6b1c9e-1111-4222-8333-444455556666"
	a := b.agent("t1").secure(agent, func() string { return secret })
	a.run(supervisor.Policy{}).up()
	done := make(chan error, 1)
	go func() { done <- a.client.Register(t.Context()) }()
	harness.Eventually(t, eventually.Patience, "a register that waits", func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !strings.Contains(strings.Join(a.why, "\n"), "ACL not found") {
			return errNotYet
		}
		return nil
	})
	b.token("web-service", `service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }`, secret)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if result, err := a.client.Deregister(t.Context()); result != registration.Verified {
		t.Errorf("deregistered: %s, %v", result, err)
	}
}

// An agent token that may not read its node: the leave is not called verified.
func TestAgentLeaveUnread(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{ACL: true})
	blind := b.token("blind", `node "ecs-t1" { policy = "deny" }`, "")
	a := b.agent("t1").secure(blind, nil)
	a.run(supervisor.Policy{}).up()
	result, took := a.leave()
	if result != "unverified" {
		t.Errorf("left: %s in %v", result, took)
	}
	if all := strings.Join(a.notes, "\n"); !strings.Contains(all, "reason") {
		t.Errorf("no reason is given: %s", all)
	}
}

func TestAgentTLS(t *testing.T) {
	defaults, ca := harness.TLS(t)
	defaults["verify_outgoing"] = true
	const gossip = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
	b := newAgentBed(t, harness.ServerConfig{Extra: map[string]any{
		"encrypt": gossip, "auto_encrypt": map[string]any{"allow_tls": true},
		"tls": map[string]any{"defaults": defaults, "internal_rpc": map[string]any{"verify_incoming": true}},
	}})
	a := b.agent("t1")
	a.doc.CAFile, a.doc.CACert, a.doc.AutoEncrypt, a.doc.GossipKey = filepath.Join(a.dir, "consul-ca.pem"), ca, true, gossip
	took := a.run(supervisor.Policy{}).up()
	if err := a.client.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if result, err := a.client.Deregister(t.Context()); result != registration.Verified {
		t.Errorf("deregistered: %s, %v", result, err)
	}
	result, left := a.leave()
	if result != "verified" {
		t.Errorf("left: %s", result)
	}
	for _, line := range a.lines {
		if strings.Contains(line, "deprecat") {
			t.Errorf("the agent warns: %s", line)
		}
	}
	t.Logf("ready after %v, left in %v", took, left)
}

// A stop at any moment of the first seconds leaves no node and no service behind.
func TestAgentLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		acl   bool
		tries int
		until time.Duration
	}{
		"first 0.4 s":       {false, 24, 400 * time.Millisecond},
		"first 3 s":         {false, 6, 3 * time.Second},
		"with ACLs, 1 s":    {true, 10, time.Second},
		"first 0.1 s, ACLs": {true, 10, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAgentBed(t, harness.ServerConfig{ACL: c.acl})
			agent, service := "", ""
			if c.acl {
				agent, service = b.tokens()
			}
			t.Run("tasks", func(t *testing.T) {
				for try := range c.tries { // each its own node, as tasks are
					a := b.agent(fmt.Sprintf("t%d", try))
					if c.acl {
						a.secure(agent, func() string { return service })
					}
					a.cfg.Grace = func() time.Duration { return 20 * time.Second } // as in a task whose app ends at once
					t.Run(a.doc.NodeName, func(t *testing.T) {
						t.Parallel() // a stop takes seconds: see consulagent.FirstSync
						brief(t, a, time.Duration(rand.Int64N(int64(c.until))))
					})
				}
			})
			b.server.Empty(t, eventually.Patience)
		})
	}
}

// The lives of one task follow each other on one node, with one data directory.
func TestAgentLeavesNothingOfManyLives(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{ACL: true})
	agent, service := b.tokens()
	var last *oneAgent
	for range 4 {
		a := b.agent("t")
		if last != nil {
			a.inherit(last)
		}
		last = a
		brief(t, a.secure(agent, func() string { return service }), time.Duration(rand.Int64N(int64(400*time.Millisecond))))
	}
	b.server.Empty(t, eventually.Patience)
}

// brief is a task's life of the given length: registered when it gets there. Its node is
// gone soon after its end.
func brief(t *testing.T, a *oneAgent, length time.Duration) {
	t.Helper()
	a.cfg.Grace = func() time.Duration { return 10 * time.Second }
	a.run(supervisor.Policy{})
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	registered := false
	select {
	case <-a.ready:
		registered = true
		_ = a.client.Register(ctx) // cut short by the stop, often
		<-ctx.Done()
	case <-ctx.Done():
	}
	if registered {
		if result, err := a.client.Deregister(t.Context()); result != registration.Verified {
			t.Errorf("deregistered: %s, %v", result, err)
		}
	}
	result, left := a.leave()
	if result == "unverified" || a.err != nil {
		t.Errorf("stop at %v: left %s, %v; %s", length, result, a.err, a.notes)
	}
	harness.Eventually(t, eventually.Patience, fmt.Sprintf("no node after a stop at %v: %s after %v", length, result, left), func() error {
		nodes, err := a.bed.server.Nodes()
		if err == nil && slices.Contains(nodes, a.doc.NodeName) {
			err = errors.New(strings.Join(nodes, " "))
		}
		return err
	})
}
