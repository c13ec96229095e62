package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// The life of a task without an agent, in the catalog of a real Consul with ACLs: the controller
// makes the node, takes away what the dead leave, and nothing else.
func TestControllerAgentless(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	for name, test := range map[string]func(*testing.T, *aclBed){
		"what a dead task left":         deadTask,
		"a node of its own":             deadOwnNode,
		"of nobody's and of others'":    strangersStay,
		"the node is put back":          nodePutBack,
		"a node that consul-ecs made":   nodeOfOthers,
		"born between the lists":        bornBetween,
		"rights are missing":            rightsAreMissing,
		"beside tasks that have agents": besideAgents,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b.beside(t))
		})
	}
}

// Without ACLs there are no tokens, and a catalog to be kept all the same; whether the flags speak of
// tokens or not.
func TestControllerAgentlessWithoutACLs(t *testing.T) {
	t.Parallel()
	b := &aclBed{consul: harness.StartServer(t, harness.ServerConfig{}), cloud: awsfake.New(t.Cleanup)}
	for _, cluster := range []string{"open", "open-prefix"} {
		arn := b.mesh(cluster, "web")
		argv, env := b.command(t, b.consul.HTTP, cluster, "--agentless", "--interval", "100ms", "--audit-interval", "200ms")
		if i := slices.Index(argv, "--secret-name-prefix"); cluster == "open" {
			argv = slices.Delete(argv, i, i+2)
		}
		p := harness.Start(t, cluster, argv, env)
		node := awsfake.ClusterARN(cluster)
		b.made(t, node)
		meshPair(t, b.consul.API, node, "web", arn)
		b.sweeps(t, 4)
		if n := len(b.on(t, node)); n != 2 {
			t.Fatalf("%d services of a living task, want 2", n)
		}
		b.cloud.ECS.Stop(arn)
		harness.Eventually(t, time.Minute, "the end of the dead", func() error {
			if got := b.on(t, node); len(got) > 0 {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
		if strings.Contains(p.Output(), "[WARN]") {
			t.Errorf("the log of a good life:\n%s", p.Output())
		}
		stopped(t, p)
	}
}

// A task that is stopping keeps all it has. One that is dead loses it within three sweeps: the
// sidecar, then the service, then the token.
func deadTask(t *testing.T, b *aclBed) {
	const cluster, service = "dead", "dead-web"
	arn, other := b.mesh(cluster, service), b.mesh(cluster, "dead-api")
	p, log := b.agentless(t, cluster)
	token := b.agreed(t, time.Minute, aclPrefix+"-"+service)
	node := awsfake.ClusterARN(cluster)
	b.made(t, node)
	ids := meshPair(t, harness.Client(t, b.consul.HTTP, token.SecretID), node, service, arn)
	b.sweeps(t, 1)
	alive := meshPair(t, harness.Client(t, b.consul.HTTP, b.agreed(t, time.Minute, aclPrefix+"-dead-api").SecretID), node, "dead-api", other)
	b.sweeps(t, 4)
	quiet := len(log.after(0))
	b.cloud.ECS.BeginStop(arn)
	b.sweeps(t, 6)
	if w := log.after(quiet); len(w) > 0 || len(b.on(t, node)) != 4 {
		t.Fatalf("of a stopping task is left %v after %v", b.on(t, node), w)
	}
	b.agreed(t, time.Minute, aclPrefix+"-"+service)
	dies := b.cloud.Calls()["ecs:ListTasks"]
	b.cloud.ECS.Stop(arn)
	harness.Eventually(t, time.Minute, "the end of the token", func() error { return b.gone(t, cluster+"-x", service) })
	if got := b.on(t, node); !slices.Equal(got, alive) {
		t.Errorf("left are %v, want %v", got, alive)
	}
	w := log.after(quiet)
	if len(w) < 3 || w[0].what != ids[1] || w[1].what != ids[0] || w[2].what != "DELETE /v1/acl/token/"+token.AccessorID {
		t.Fatalf("writes %v, want sidecar, service, token", w)
	}
	if took := w[1].sweep - dies; took > 3 {
		t.Errorf("it was %d sweeps to the end of the service, want 3 at most", took)
	}
	t.Logf("sidecar, service and token went in sweeps %d, %d and %d after the death", w[0].sweep-dies, w[1].sweep-dies, w[2].sweep-dies)
	b.discreet(t, p)
	stopped(t, p)
}

// A task with a node of its own has the right to make it, and leaves nothing of it; also when ECS
// has forgotten the task.
func deadOwnNode(t *testing.T, b *aclBed) {
	const cluster, service = "own", "own-web"
	arn := b.mesh(cluster, service)
	p, log := b.agentless(t, cluster)
	mine := harness.Client(t, b.consul.HTTP, b.agreed(t, time.Minute, aclPrefix+"-"+service).SecretID)
	node := "ecs-" + arn[strings.LastIndexByte(arn, '/')+1:]
	meshPair(t, mine, node, service, arn)
	b.sweeps(t, 4)
	if len(b.on(t, node)) != 2 {
		t.Fatalf("on the node are %v", b.on(t, node))
	}
	b.cloud.ECS.BeginStop(arn)
	b.sweeps(t, 4)
	if len(b.on(t, node)) != 2 {
		t.Fatalf("on the node of a stopping task are %v", b.on(t, node))
	}
	before := len(log.after(0))
	b.cloud.ECS.Stop(arn)
	b.cloud.ECS.Forget(arn)
	harness.Eventually(t, time.Minute, "the end of the node", func() error {
		if on := b.on(t, node); on != nil {
			return fmt.Errorf("%v", on)
		}
		return nil
	})
	if w := log.after(before); w[0].what != node {
		t.Errorf("writes %v, want one for the node", w)
	}
	harness.Eventually(t, time.Minute, "the end of the token", func() error { return b.gone(t, cluster+"-x", service) })
	stopped(t, p)
}

// What does not prove to be a task's of this cluster stays, and hinders nobody: no meta, a real
// consul-ecs's without its task's ID, another cluster's, and a running task without the tag.
func strangersStay(t *testing.T, b *aclBed) {
	const cluster, service = "strange", "strange-web"
	node := awsfake.ClusterARN(cluster)
	arn := b.mesh(cluster, service)
	untagged := b.cloud.ECS.Run(cluster, "batch", nil)
	p, log := b.agentless(t, cluster)
	b.agreed(t, time.Minute, aclPrefix+"-"+service)
	harness.Eventually(t, time.Minute, "the node", func() error {
		if b.on(t, node) == nil {
			return errors.New("not yet")
		}
		return nil
	})
	stranger := strings.Repeat("f", 32)
	var stay []string
	for id, meta := range map[string]map[string]string{
		"s-bare":   nil,
		"s-noid":   {"source": "consul-ecs", "task-arn": arn},
		"s-other":  {"source": "consul-ecs", "task-id": stranger, "task-arn": strings.Replace(arn[:len(arn)-32], ":task/strange/", ":task/strange-2/", 1) + stranger},
		"s-region": {"source": "consul-ecs", "task-id": stranger, "task-arn": "arn:aws:ecs:eu-west-1:" + awsfake.Account + ":task/strange/" + stranger},
		"s-source": {"source": "nomad", "task-id": stranger, "task-arn": arn[:len(arn)-32] + stranger},
	} {
		if _, err := b.consul.API.Catalog().Register(&api.CatalogRegistration{Node: node, SkipNodeUpdate: true, Address: "127.0.0.1",
			Service: &api.AgentService{ID: id, Service: id, Meta: meta}}, nil); err != nil {
			t.Fatal(err)
		}
		stay = append(stay, id)
	}
	stay = append(stay, meshPair(t, b.consul.API, node, "s-untagged", untagged)...)
	meshPair(t, b.consul.API, node, service, arn)
	b.cloud.ECS.Stop(arn)
	slices.Sort(stay)
	harness.Eventually(t, time.Minute, "the end of the dead", func() error {
		if got := b.on(t, node); len(got) > len(stay) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	b.sweeps(t, 6)
	if got := b.on(t, node); !slices.Equal(got, stay) {
		t.Errorf("left are %v, want %v; writes %v", got, stay, log.after(0))
	}
	stopped(t, p)
}

// A node that somebody deregisters comes back.
func nodePutBack(t *testing.T, b *aclBed) {
	const cluster = "back"
	b.mesh(cluster, "back-web")
	p, _ := b.agentless(t, cluster)
	for range 2 {
		harness.Eventually(t, time.Minute, "the node", func() error {
			nodes, _, err := b.consul.API.Catalog().Nodes(&api.QueryOptions{NodeMeta: map[string]string{"synthetic-node": "true"}, Filter: fmt.Sprintf("Node == %q", awsfake.ClusterARN(cluster))})
			if err == nil && len(nodes) != 1 {
				err = errors.New("not yet")
			}
			return err
		})
		if _, err := b.consul.API.Catalog().Deregister(&api.CatalogDeregistration{Node: awsfake.ClusterARN(cluster)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	stopped(t, p)
}

// A node that a controller of consul-ecs made is not written, and one without its meta keeps all
// that it has beside it.
func nodeOfOthers(t *testing.T, b *aclBed) {
	index := func(cluster string) (n *api.Node) {
		t.Helper()
		nodes, _, err := b.consul.API.Catalog().Nodes(&api.QueryOptions{RequireConsistent: true, Filter: fmt.Sprintf("Node == %q", awsfake.ClusterARN(cluster))})
		if err != nil || len(nodes) != 1 {
			t.Fatalf("%v, %v", nodes, err)
		}
		return nodes[0]
	}
	for cluster, meta := range map[string]map[string]string{"theirs": {"synthetic-node": "true"}, "bare": {"a": "b"}} {
		b.mesh(cluster, cluster+"-web")
		if _, err := b.consul.API.Catalog().Register(&api.CatalogRegistration{Node: awsfake.ClusterARN(cluster), Address: "10.1.2.3", NodeMeta: meta,
			TaggedAddresses: map[string]string{"lan": "10.1.2.4"}}, nil); err != nil {
			t.Fatal(err)
		}
		before := index(cluster)
		p, _ := b.agentless(t, cluster)
		b.agreed(t, time.Minute, aclPrefix+"-"+cluster+"-web")
		b.sweeps(t, 3)
		after := index(cluster)
		if cluster == "theirs" && after.ModifyIndex != before.ModifyIndex {
			t.Errorf("the node was written: %+v", after)
		}
		if after.Meta["synthetic-node"] != "true" || after.Meta["a"] != meta["a"] || after.Address != "10.1.2.3" || after.TaggedAddresses["lan"] != "10.1.2.4" {
			t.Errorf("%s: the node is %+v", cluster, after)
		}
		stopped(t, p)
	}
}

// ECS's list lags, and a task registers as soon as it lives: it is never taken for dead.
func bornBetween(t *testing.T, b *aclBed) {
	const cluster = "born"
	node := awsfake.ClusterARN(cluster)
	b.mesh(cluster, "born-web")
	p, log := b.agentless(t, cluster)
	b.agreed(t, time.Minute, aclPrefix+"-born-web")
	b.sweeps(t, 3)
	b.cloud.ECS.Lag(time.Second)
	for i := range 20 {
		meshPair(t, b.consul.API, node, fmt.Sprintf("born-%d", i), b.cloud.ECS.Run(cluster, "batch", nil))
		b.sweeps(t, 1)
	}
	for _, w := range log.after(0) {
		if strings.HasPrefix(w.what, "born-") {
			t.Errorf("%s was taken for dead", w.what)
		}
	}
	if n := len(b.on(t, node)); n != 40 {
		t.Errorf("%d are registered, want 40", n)
	}
	stopped(t, p)
}

// A controller that may not write the node says what it lacks, and does the rest; given the right,
// it goes on.
func rightsAreMissing(t *testing.T, b *aclBed) {
	const cluster, service = "weak", "weak-web"
	b.mesh(cluster, service)
	rules := aclRules(t)
	policy, _, err := b.consul.API.ACL().PolicyCreate(&api.ACLPolicy{Name: "weak-controller", Rules: strings.ReplaceAll(rules, `node_prefix "arn:" { policy = "write" }`, "")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := b.consul.API.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: policy.Name}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.token = token.SecretID
	p, _ := b.agentless(t, cluster)
	b.agreed(t, time.Minute, aclPrefix+"-"+service)
	logged(t, p, "needs node:write on "+awsfake.ClusterARN(cluster)+" for CONSUL_HTTP_TOKEN")
	policy.Rules = rules
	if _, _, err := b.consul.API.ACL().PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, time.Minute, "the node", func() error {
		if b.on(t, awsfake.ClusterARN(cluster)) == nil {
			return errors.New("not yet")
		}
		return nil
	})
	stopped(t, p)
}

// With --agentless=also the node of a client agent is left alone, though it has a dead task's name
// and what is on it says so; and the agents' token is looked after.
func besideAgents(t *testing.T, b *aclBed) {
	const cluster, service = "both", "both-web"
	b.cloud.Secrets.Set(clientSecret, "{}")
	b.mesh(cluster, service+"-first") // the name of its node is another test's
	arn := b.mesh(cluster, service)
	node := "ecs-" + arn[strings.LastIndexByte(arn, '/')+1:]
	meshPair(t, b.consul.API, node, service, arn)
	if _, err := b.consul.API.Catalog().Register(&api.CatalogRegistration{Node: node, Address: "127.0.0.1",
		NodeMeta: map[string]string{"consul-network-segment": "", "consul-version": "1.22.6"}}, nil); err != nil {
		t.Fatal(err)
	}
	p, log := b.agentless(t, cluster, "--agentless=also", "--consul-client-secret-arn", clientSecret)
	b.agreed(t, time.Minute, aclPrefix+"-"+service)
	b.agreed(t, time.Minute, clientSecret)
	b.cloud.ECS.Stop(arn)
	harness.Eventually(t, time.Minute, "the end of the token", func() error { return b.gone(t, cluster+"-x", service) })
	b.sweeps(t, 5)
	if n := len(b.on(t, node)); n != 2 {
		t.Errorf("%d are left on the agent's node, writes %v", n, log.after(0))
	}
	stopped(t, p)
}
