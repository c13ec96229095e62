package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"meshtask/internal/servicename"
)

// Tags of a mesh task.
const (
	tagMesh      = "consul.hashicorp.com/mesh"
	tagService   = "consul.hashicorp.com/service-name"
	tagPartition = "consul.hashicorp.com/partition"
	tagNamespace = "consul.hashicorp.com/namespace"
	tagGateway   = "consul.hashicorp.com/gateway-kind"
)

// Lines of a description, the texts of consul-ecs v0.2–v0.4 to the letter.
const (
	lineCluster   = "consul.hashicorp.com/cluster: "
	linePartition = "consul.hashicorp.com/partition: "
	lineNamespace = "consul.hashicorp.com/namespace: "
)

// What is the same in every installation.
const (
	clientTokenDescription    = "ECS Consul client Token"
	clientPolicyDescription   = "Consul Client Token Policy for ECS"
	CrossNamespacePolicy      = "cross-namespace-read"
	crossNamespaceDescription = "Allow service and node reads across namespaces within the partition"
	TaskNodePolicy            = "meshtask-task-node-policy"
	taskNodeDescription       = "Nodes of ECS tasks without a Consul agent"
	defaultName               = "default"
)

// maxPolicyName is the longest name of a policy that Consul takes.
const maxPolicyName = 128

// fold is the form in which Consul compares the names of policies.
func fold(name string) string { return strings.ToLower(name) }

// Service names one service of the mesh. Namespace and Partition are both empty
// without partitions, and both set with them.
type Service struct {
	Name, Namespace, Partition string
}

// String is the service as logs name it.
func (s Service) String() string {
	if s.Partition == "" {
		return s.Name
	}
	return s.Partition + "/" + s.Namespace + "/" + s.Name
}

// Mode says how the tasks of a cluster are in the mesh.
type Mode int

// The modes.
const (
	WithAgents Mode = iota // each by a Consul client agent of its own
	Agentless              // none has an agent
	Mixed                  // some have one
)

// agents and agentless say whether there are tasks with an agent, and without.
func (m Mode) agents() bool    { return m != Agentless }
func (m Mode) agentless() bool { return m != WithAgents }

// Naming makes the names, descriptions and rules of one installation.
type Naming struct {
	Mode      Mode
	Gateways  bool   // some tasks are gateways, or may be
	Prefix    string // of secrets
	Cluster   Cluster
	Partition string   // ours; empty: partitions are off
	Reserved  []string // names of secrets that no service may have
	RolePath  string   // of the IAM roles of the cluster's account that may log in; "/": any; empty: tasks do not log in
}

// Refuses says why a service of that name is never served; "": it is. Tags are
// written by anybody who may run a task, so nothing of a name is taken on trust.
func (n Naming) Refuses(s Service) string {
	if err := servicename.Check(s.Name); err != nil {
		return fmt.Sprintf("service name %q %v", s.Name, err)
	}
	if n.Partition != "" {
		if err := servicename.Chars(s.Namespace); err != nil {
			return fmt.Sprintf("namespace %q %v", s.Namespace, err)
		}
	}
	if policy := n.Policy(s); len(policy) > maxPolicyName {
		return fmt.Sprintf("service %q would have the policy %q, whose name is longer than %d characters", s.Name, policy, maxPolicyName)
	}
	own := fold(n.Secret(s))
	if slices.ContainsFunc(n.Reserved, func(r string) bool { return fold(r) == own }) {
		return fmt.Sprintf("service %q would have the secret %q, which is the installation's own", s.Name, n.Secret(s))
	}
	return ""
}

// Secret is the name of a service's secret.
func (n Naming) Secret(s Service) string {
	if n.Partition == "" {
		return n.Prefix + "-" + s.Name
	}
	return n.Prefix + "-" + s.Name + "-" + s.Namespace + "-" + s.Partition
}

// Policy is the name of a service's policy. It does not hold the cluster: two
// clusters with one Consul share it.
func (n Naming) Policy(s Service) string {
	if n.Partition == "" {
		return s.Name + "-service"
	}
	return s.Name + "-" + s.Namespace + "-service"
}

func (n Naming) ClientPolicy() string { return n.Prefix + "-consul-client-policy" }

// links are the policies of a service's token.
func (n Naming) links(s Service) []string {
	names := []string{n.Policy(s)}
	for _, shared := range n.sharedPolicies() {
		names = append(names, shared.Name)
	}
	return names
}

// description is the text of a "Token" or "Policy"; it carries the ownership.
func (n Naming) description(what string, s Service) string {
	text := fmt.Sprintf("%s for %s service\n%s%s", what, s.Name, lineCluster, n.Cluster.Raw)
	if n.Partition != "" {
		text += "\n" + linePartition + s.Partition + "\n" + lineNamespace + s.Namespace
	}
	return text
}

// described is what a description of ours says.
type described struct{ name, cluster, partition, namespace string }

// parseDescription reads a description of ours: what is "Token" or "Policy". Every
// line is taken whole, and a text with anything else in it belongs to somebody else.
func (n Naming) parseDescription(what, text string) (d described, ok bool) {
	lines := strings.Split(text, "\n")
	name, ok := strings.CutPrefix(lines[0], what+" for ")
	if !ok {
		return d, false
	}
	if d.name, ok = strings.CutSuffix(name, " service"); !ok || d.name == "" || len(lines) < 2 {
		return d, false
	}
	if d.cluster, ok = strings.CutPrefix(lines[1], lineCluster); !ok || d.cluster == "" {
		return d, false
	}
	if n.Partition == "" {
		return d, len(lines) == 2
	}
	if len(lines) != 4 {
		return d, false
	}
	var named bool
	d.partition, ok = strings.CutPrefix(lines[2], linePartition)
	d.namespace, named = strings.CutPrefix(lines[3], lineNamespace)
	return d, ok && named && d.partition == n.Partition && d.namespace != ""
}

// owner is the service of this cluster that a description is for. Clusters are
// compared whole, so that cluster dev never owns what is dev-2's.
func (n Naming) owner(what, text string) (Service, bool) {
	d, ok := n.parseDescription(what, text)
	if !ok || !n.Cluster.Is(d.cluster) {
		return Service{}, false
	}
	return Service{Name: d.name, Namespace: d.namespace, Partition: d.partition}, true
}

// PolicyOwner is the service of this cluster that a policy is for: its name and
// its description say so.
func (n Naming) PolicyOwner(p Policy) (Service, bool) {
	s, ok := n.owner("Policy", p.Description)
	return s, ok && fold(p.Name) == fold(n.Policy(s))
}

// describes says whether a policy's description is ours for this very service, in
// whichever cluster: clusters with one Consul share the policy.
func (n Naming) describes(s Service, text string) bool {
	d, ok := n.parseDescription("Policy", text)
	return ok && s == Service{Name: d.name, Namespace: d.namespace, Partition: d.partition}
}

// clientRules are the rules of the agents' policy.
func (n Naming) clientRules() string {
	if n.Partition == "" {
		return `node_prefix "" { policy = "write" }
service_prefix "" { policy = "read" }`
	}
	return fmt.Sprintf(`partition %q {
  node_prefix "" { policy = "write" }
  namespace_prefix "" {
    service_prefix "" { policy = "read" }
  }
}`, n.Partition)
}

// serviceRules are the rules of a service's policy.
func (n Naming) serviceRules(s Service) string {
	rules := fmt.Sprintf(`service %q { policy = "write" }
service %q { policy = "write" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }`, s.Name, s.Name+"-sidecar-proxy")
	if n.Partition == "" {
		return rules
	}
	return fmt.Sprintf("partition %q {\n  namespace %q {\n%s\n  }\n}", s.Partition, s.Namespace, rules)
}

// taskNodeRules let a task without an agent register on a node of its own; no rule says of which
// task a token is.
func (n Naming) taskNodeRules() string {
	rules := fmt.Sprintf(`node_prefix %q { policy = "write" }`, TaskNodePrefix)
	if n.Partition == "" {
		return rules
	}
	return fmt.Sprintf("partition %q {\n%s\n}", n.Partition, rules)
}

// crossNamespaceRules let a service of one namespace see the others of its partition.
func (n Naming) crossNamespaceRules() string {
	return fmt.Sprintf(`partition %q {
  namespace_prefix "" {
    service_prefix "" { policy = "read" }
    node_prefix "" { policy = "read" }
  }
}`, n.Partition)
}

// sameRules compares rules but for white space, which is free.
func sameRules(a, b string) bool {
	return strings.Join(strings.Fields(a), "") == strings.Join(strings.Fields(b), "")
}
