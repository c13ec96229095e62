package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// What consul-ecs v0.7 and later write into the catalog, to the letter.
const (
	MetaSource  = "source"
	MetaTaskID  = "task-id"
	MetaTaskARN = "task-arn"
	source      = "consul-ecs"

	MetaSynthetic = "synthetic-node" // of a node that no agent keeps, "true"
)

// What an agent says of itself on its node.
const (
	MetaSegment = "consul-network-segment"
	MetaVersion = "consul-version"
)

// TaskNodePrefix begins the name of the node of its own that a task may have.
const TaskNodePrefix = "ecs-"

// maxReaped is how many tasks one plan takes out of the catalog. Each is two writes, and tasks
// that are born meanwhile wait for their tokens.
const maxReaped = 500

// Node is a node of Consul's catalog.
type Node struct {
	Name    string
	Meta    map[string]string
	Missing bool // it is not there
}

// HasAgent says whether a Consul agent keeps the node: agents say their segment and their
// version. What an agent keeps is never touched, and it would put it back.
func (n Node) HasAgent() bool {
	for _, key := range []string{MetaSegment, MetaVersion} {
		if _, ok := n.Meta[key]; ok {
			return true
		}
	}
	return false
}

// Instance is one registration of a service on a node without an agent.
type Instance struct {
	Node, ID, Namespace string
	Service             string // its name; of a sidecar, the name of the service behind it
	Sidecar             bool
	Meta                map[string]string
}

// Catalog is what was seen of the nodes on which tasks without an agent register. The zero
// value is that nobody looked.
type Catalog struct {
	Nodes     []Node          // the cluster's, by Naming.Nodes
	TaskNodes []Node          // of their own, of tasks that are not listed; each proves to be ours
	Instances []Instance      // on all these nodes
	Unread    bool            // there may be more TaskNodes
	Dead      map[string]bool // ARNs of the tasks that are gone, by two looks
}

// Nodes are the names of the cluster's node: its ARN. A cluster of which only the name is given has
// two, that name, which a task may be told to use, and the ARN, which its tasks make of their own.
func (n Naming) Nodes() []string {
	switch c := n.Cluster; {
	case c.ARN == "":
		return []string{c.Raw}
	case c.learned:
		return []string{c.Raw, c.ARN}
	default:
		return []string{c.ARN}
	}
}

// Task is the ARN of a task of this cluster, or "" while the cluster's is not known.
func (c Cluster) Task(id string) string {
	head, name, ok := strings.Cut(c.ARN, ":cluster/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return ""
	}
	return head + ":task/" + name + "/" + id
}

// TaskOf is the ARN of the task of this cluster that wrote this meta, or "". All three keys must
// say so: what anybody else has registered is not ours to take away.
func (n Naming) TaskOf(meta map[string]string) string {
	arn := meta[MetaTaskARN]
	if meta[MetaSource] != source || arn == "" || arn != n.Cluster.Task(meta[MetaTaskID]) {
		return ""
	}
	return arn
}

// NodeTask is the ARN of the task that a node may be the own one of, or "". The name alone
// proves nothing: tasks of other clusters have such nodes too.
func (n Naming) NodeTask(node Node) string {
	id, ok := strings.CutPrefix(node.Name, TaskNodePrefix)
	if !ok || node.HasAgent() {
		return ""
	}
	return n.Cluster.Task(id)
}

// Proves says what is on a task's own node proves: that it is that task's, or that it is not of
// this cluster. A task that has only begun to register proves neither.
func (n Naming) Proves(node Node, on []Instance) (ours, theirs bool) {
	arn := n.NodeTask(node)
	ours = arn != "" && (n.TaskOf(node.Meta) == arn || slices.ContainsFunc(on, func(i Instance) bool { return n.TaskOf(i.Meta) == arn }))
	return ours, !ours && len(on) > 0
}

// lacks says whether a cluster's node must be written. Any address will do, so that one which is
// there with its meta is left alone: each write wakes everybody who watches a service on it.
func (n Node) lacks() bool { return n.Missing || !n.HasAgent() && n.Meta[MetaSynthetic] != "true" }

// Tasks are the ARNs of this cluster's tasks that are in the catalog.
func (n Naming) Tasks(c Catalog) map[string]bool {
	tasks := map[string]bool{}
	for _, i := range c.Instances {
		tasks[n.TaskOf(i.Meta)] = true
	}
	for _, node := range c.TaskNodes {
		tasks[n.NodeTask(node)] = true
	}
	delete(tasks, "")
	return tasks
}

// service is the service of the mesh that an instance is of.
func (n Naming) service(i Instance) Service {
	if n.Partition == "" {
		return Service{Name: i.Service}
	}
	return Service{Name: i.Service, Namespace: i.Namespace, Partition: n.Partition}
}

// Hold takes out of Ended and GoneTasks what the catalog still has something of, for a token goes
// after everything that was registered with it.
func (w *World) Hold() {
	tasks, services := map[string]bool{}, map[Service]bool{}
	for arn := range w.Naming.Tasks(w.Catalog) {
		tasks[TaskID(arn)] = true
	}
	for _, i := range w.Catalog.Instances {
		if w.Naming.TaskOf(i.Meta) != "" {
			services[w.Naming.service(i)] = true
		}
	}
	maps.DeleteFunc(w.GoneTasks, func(task string, _ bool) bool { return tasks[task] || w.Catalog.Unread })
	maps.DeleteFunc(w.Ended, func(s Service, _ bool) bool { return services[s] || w.Catalog.Unread })
}

// Strays says whether the catalog has something to be put right or named.
func (w *World) Strays() bool {
	return len(w.Catalog.Dead) > 0 ||
		slices.ContainsFunc(w.Catalog.Nodes, func(n Node) bool { return n.lacks() || n.HasAgent() })
}

// CatalogSubject is the subject of findings about what tasks have registered.
const CatalogSubject = "catalog"

// NodeSubject is the subject of the chain and the findings about a cluster's node.
func NodeSubject(name string) string { return "node " + name }

// nodes makes the cluster's nodes.
func (p *planner) nodes() {
	for _, n := range p.Catalog.Nodes {
		switch {
		case n.HasAgent():
			p.find(NodeSubject(n.Name), "a Consul agent keeps the node of that name, so it is no node for tasks without one: give --cluster the cluster's ARN", true)
		case n.lacks():
			p.chain(NodeSubject(n.Name), Service{}, []Op{{Kind: PutNode, Node: Node{Name: n.Name, Meta: map[string]string{MetaSynthetic: "true"}}}})
		}
	}
	if len(p.Catalog.Nodes) > 0 && p.Naming.Cluster.ARN == "" {
		p.find(NodeSubject(p.Naming.Cluster.Raw), "the ARN of the cluster is not known before a task runs in it, so that nothing can be told to be a task's of it: give --cluster its ARN", false)
	}
}

// strays takes out of the catalog what dead tasks have left. The sidecar goes before its service:
// other tasks reach the one by the other.
func (p *planner) strays() {
	left := map[string][]Instance{} // by task
	for _, i := range p.Catalog.Instances {
		if arn := p.Naming.TaskOf(i.Meta); p.Catalog.Dead[arn] {
			left[arn] = append(left[arn], i)
		}
	}
	own := map[string]Node{}
	for _, n := range p.Catalog.TaskNodes {
		if arn := p.Naming.NodeTask(n); p.Catalog.Dead[arn] && p.wholly(n, arn) {
			own[arn] = n
		}
	}
	dead := slices.Sorted(maps.Keys(p.Catalog.Dead))
	for _, arn := range dead[:min(len(dead), maxReaped)] {
		node, hasNode := own[arn]
		var ops []Op
		slices.SortFunc(left[arn], func(a, b Instance) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID))
		})
		for _, i := range left[arn] {
			if !hasNode || i.Node != node.Name {
				ops = append(ops, Op{Kind: DeregisterService, Instance: i})
			}
		}
		if hasNode {
			ops = append(ops, Op{Kind: DeregisterNode, Node: node})
		}
		p.chain("what task "+TaskID(arn)+" left", Service{}, ops)
	}
}

func rank(i Instance) int {
	if i.Sidecar {
		return 0
	}
	return 1
}

// wholly says whether everything on a node is this task's.
func (p *planner) wholly(n Node, arn string) bool {
	return !slices.ContainsFunc(p.Catalog.Instances, func(i Instance) bool { return i.Node == n.Name && p.Naming.TaskOf(i.Meta) != arn })
}
