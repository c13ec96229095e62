package reconcile

import (
	"fmt"
	"strings"
	"testing"
)

const (
	prodTask = "arn:aws:ecs:us-east-1:123456789012:task/prod/"
	deadID   = "0000000000000000000000000000dead"
	liveID   = "0000000000000000000000000000beef"
)

// taskMeta is what a task registers beside what its user says.
func taskMeta(id string, and ...string) map[string]string {
	m := map[string]string{"source": "consul-ecs", "task-id": id, "task-arn": prodTask + id, "team": "shop"}
	for i := 0; i+1 < len(and); i += 2 {
		if m[and[i]] = and[i+1]; and[i+1] == "" {
			delete(m, and[i])
		}
	}
	return m
}

func pair(node, id string) []Instance {
	return []Instance{{Node: node, ID: "web-" + id, Service: "web", Meta: taskMeta(id)},
		{Node: node, ID: "web-" + id + "-sidecar-proxy", Service: "web", Sidecar: true, Meta: taskMeta(id)}}
}

// TestStrays gives what is in the catalog, and what is taken out of it.
func TestStrays(t *testing.T) {
	there := Node{Name: modelCluster, Meta: map[string]string{"synthetic-node": "true"}}
	ownNode := Node{Name: "ecs-" + deadID}
	dead := func(ids ...string) map[string]bool {
		all := map[string]bool{}
		for _, id := range ids {
			all[prodTask+id] = true
		}
		return all
	}
	one := func(meta map[string]string) []Instance {
		return []Instance{{Node: modelCluster, ID: "x", Service: "x", Meta: meta}}
	}
	const sidecar, service = "deregister service web-" + deadID + "-sidecar-proxy of node ", "deregister service web-" + deadID + " of node "
	for _, tt := range []struct {
		name          string
		cluster       string // empty: the ARN
		c             Catalog
		want, finding string
	}{
		{"no node", "", Catalog{Nodes: []Node{{Name: modelCluster, Missing: true}}}, "put node " + modelCluster, ""},
		{"the node", "", Catalog{Nodes: []Node{there}}, "", ""},
		{"the node by consul-ecs, with more meta", "", Catalog{Nodes: []Node{{Name: modelCluster, Meta: map[string]string{"synthetic-node": "true", "a": "b"}}}}, "", ""},
		{"the node without its meta", "", Catalog{Nodes: []Node{{Name: modelCluster, Meta: map[string]string{"a": "b"}}}}, "put node " + modelCluster, ""},
		{"a node by name alone", "prod", Catalog{Nodes: []Node{{Name: "prod", Missing: true}}}, "put node prod", "ARN of the cluster is not known"},
		{"an agent of the cluster's name", "prod", Catalog{Nodes: []Node{{Name: "prod", Meta: map[string]string{"consul-network-segment": ""}}}}, "", "a Consul agent keeps"},

		{"alive", "", Catalog{Nodes: []Node{there}, Instances: pair(modelCluster, liveID)}, "", ""},
		{"dead: the sidecar first", "", Catalog{Instances: pair(modelCluster, deadID), Dead: dead(deadID)}, sidecar + modelCluster + "; " + service + modelCluster, ""},
		{"dead, one beside lives", "", Catalog{Instances: append(pair(modelCluster, liveID), pair(modelCluster, deadID)[1:]...), Dead: dead(deadID)}, sidecar + modelCluster, ""},
		{"a gateway", "", Catalog{Instances: []Instance{{Node: modelCluster, ID: "gw-1", Service: "gw", Meta: taskMeta(deadID)}}, Dead: dead(deadID)}, "deregister service gw-1 of node " + modelCluster, ""},

		{"no task-id", "", Catalog{Instances: one(taskMeta(deadID, "task-id", "")), Dead: dead(deadID)}, "", ""},
		{"no task-arn", "", Catalog{Instances: one(taskMeta(deadID, "task-arn", "")), Dead: dead(deadID)}, "", ""},
		{"no source", "", Catalog{Instances: one(taskMeta(deadID, "source", "")), Dead: dead(deadID)}, "", ""},
		{"another source", "", Catalog{Instances: one(taskMeta(deadID, "source", "nomad")), Dead: dead(deadID)}, "", ""},
		{"task-id of another", "", Catalog{Instances: one(taskMeta(deadID, "task-id", liveID)), Dead: dead(deadID)}, "", ""},
		{"no meta", "", Catalog{Instances: one(nil), Dead: dead(deadID, "")}, "", ""},
		{"a cluster whose name begins alike", "", Catalog{Instances: one(taskMeta(deadID, "task-arn", "arn:aws:ecs:us-east-1:123456789012:task/prod-2/"+deadID)), Dead: dead(deadID)}, "", ""},
		{"the cluster in another Region", "", Catalog{Instances: one(taskMeta(deadID, "task-arn", "arn:aws:ecs:eu-west-1:123456789012:task/prod/"+deadID)), Dead: dead(deadID)}, "", ""},
		{"a cluster whose ARN is not known", "prod", Catalog{Instances: pair("prod", deadID), Dead: dead(deadID)}, "", ""},

		{"own node", "", Catalog{TaskNodes: []Node{ownNode}, Instances: pair(ownNode.Name, deadID), Dead: dead(deadID)}, "deregister node " + ownNode.Name, ""},
		{"own node that says itself whose it is", "", Catalog{TaskNodes: []Node{{Name: ownNode.Name, Meta: taskMeta(deadID)}}, Dead: dead(deadID)}, "deregister node " + ownNode.Name, ""},
		{"own node, and something of somebody else on it", "", Catalog{TaskNodes: []Node{ownNode}, Dead: dead(deadID),
			Instances: append(pair(ownNode.Name, deadID), Instance{Node: ownNode.Name, ID: "x", Service: "x"})}, sidecar + ownNode.Name + "; " + service + ownNode.Name, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cluster == "" {
				tt.cluster = modelCluster
			}
			w := World{Naming: Naming{Prefix: "pre", Cluster: NewCluster(tt.cluster), Mode: Agentless}, Catalog: tt.c}
			plan := Decide(w)
			var got, found []string
			for _, ch := range plan.Chains {
				for _, op := range ch.Ops {
					got = append(got, op.String())
				}
			}
			for _, f := range plan.Findings {
				found = append(found, f.Reason)
			}
			if all := strings.Join(got, "; "); all != tt.want {
				t.Errorf("it does   %q\nit should %q", all, tt.want)
			}
			if all := strings.Join(found, "; "); (all == "") != (tt.finding == "") || !strings.Contains(all, tt.finding) {
				t.Errorf("findings %q, want %q", all, tt.finding)
			}
			if tt.want != "" && !w.Strays() {
				t.Error("a sweep would not look")
			}
		})
	}
}

// What is on a node of a task's name proves whose it is, or nothing yet.
func TestProves(t *testing.T) {
	n := Naming{Cluster: NewCluster(modelCluster), Mode: Mixed}
	node := Node{Name: "ecs-" + deadID}
	other := map[string]string{"source": "consul-ecs", "task-id": deadID, "task-arn": "arn:aws:ecs:us-east-1:123456789012:task/other/" + deadID}
	for name, tt := range map[string]struct {
		node         Node
		on           []Instance
		ours, theirs bool
	}{
		"ours":                       {node, pair(node.Name, deadID), true, false},
		"nothing yet":                {node, nil, false, false},
		"nothing yet, but it says":   {Node{Name: node.Name, Meta: taskMeta(deadID)}, nil, true, false},
		"of another cluster":         {node, []Instance{{Meta: other}}, false, true},
		"nobody's":                   {node, []Instance{{}}, false, true},
		"ours, with another's on it": {node, append(pair(node.Name, deadID), Instance{Meta: other}), true, false},
		"an agent's":                 {Node{Name: node.Name, Meta: map[string]string{"consul-version": "1.22.6"}}, pair(node.Name, deadID), false, true},
		"another name":               {Node{Name: "box-" + deadID}, pair(node.Name, deadID), false, true},
	} {
		if ours, theirs := n.Proves(tt.node, tt.on); ours != tt.ours || theirs != tt.theirs {
			t.Errorf("%s: ours %v, theirs %v", name, ours, theirs)
		}
	}
}

// A cluster of which only the name is given has two nodes; one whose ARN is known has that.
func TestNodes(t *testing.T) {
	named := Cluster{Raw: "prod"}
	for _, tt := range []struct {
		c    Cluster
		want string
	}{
		{NewCluster(modelCluster), modelCluster},
		{NewCluster(modelCluster).Learn(prodTask + deadID), modelCluster},
		{named, "prod"},
		{named.Learn(prodTask + deadID), "prod " + modelCluster},
		{Cluster{Raw: "prod", ARN: modelCluster}, modelCluster}, // the own task's on EC2
	} {
		if got := strings.Join((Naming{Cluster: tt.c}).Nodes(), " "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.c, got, tt.want)
		}
	}
}

// Tokens go after everything that was registered with them.
func TestHold(t *testing.T) {
	n := Naming{Prefix: "pre", Cluster: NewCluster(modelCluster), Mode: Agentless}
	all := func() World {
		return World{Naming: n, Ended: map[Service]bool{web: true, {Name: "api"}: true}, GoneTasks: map[string]bool{deadID: true, liveID: true}}
	}
	left := func(w World) string {
		w.Hold()
		return fmt.Sprint(len(w.Ended), w.Ended[web], len(w.GoneTasks), w.GoneTasks[deadID])
	}
	for name, tt := range map[string]struct {
		c    Catalog
		want string
	}{
		"nothing left":           {Catalog{}, "2 true 2 true"},
		"the sidecar is left":    {Catalog{Instances: pair(modelCluster, deadID)[1:]}, "1 false 1 false"},
		"somebody else's web":    {Catalog{Instances: []Instance{{Node: modelCluster, ID: "web", Service: "web"}}}, "2 true 2 true"},
		"a node of its own":      {Catalog{TaskNodes: []Node{{Name: "ecs-" + deadID, Meta: taskMeta(deadID)}}}, "2 true 1 false"},
		"not all nodes are read": {Catalog{Unread: true}, "0 false 0 false"},
	} {
		w := all()
		w.Catalog = tt.c
		if got := left(w); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// After a catastrophe those who are born do not wait for all of the dead.
func TestStraysAreBounded(t *testing.T) {
	c := Catalog{Dead: map[string]bool{}}
	for i := range 3 * maxReaped {
		id := fmt.Sprintf("%032x", i)
		c.Instances, c.Dead[prodTask+id] = append(c.Instances, pair(modelCluster, id)...), true
	}
	plan := Decide(World{Naming: Naming{Cluster: NewCluster(modelCluster), Mode: Agentless}, Catalog: c})
	if len(plan.Chains) != maxReaped {
		t.Errorf("%d tasks at once, want %d", len(plan.Chains), maxReaped)
	}
}
