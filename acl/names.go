package acl

import (
	"fmt"
	"strings"
)

// Tags of a mesh task.
const (
	tagMesh      = "consul.hashicorp.com/mesh"
	tagService   = "consul.hashicorp.com/service-name"
	tagPartition = "consul.hashicorp.com/partition"
	tagNamespace = "consul.hashicorp.com/namespace"
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
	crossNamespacePolicy      = "cross-namespace-read"
	crossNamespaceDescription = "Allow service and node reads across namespaces within the partition"
	defaultName               = "default"
)

// isPolicyName says whether Consul takes s as a policy's name.
func isPolicyName(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
	})
}

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

// Naming makes the names, descriptions and rules of one installation.
type Naming struct {
	Prefix    string // of secrets
	Cluster   Cluster
	Partition string // ours; empty: partitions are off
}

// secret is the name of a service's secret.
func (n Naming) secret(s Service) string {
	if n.Partition == "" {
		return n.Prefix + "-" + s.Name
	}
	return n.Prefix + "-" + s.Name + "-" + s.Namespace + "-" + s.Partition
}

// policy is the name of a service's policy. It does not hold the cluster: two
// clusters with one Consul share it.
func (n Naming) policy(s Service) string {
	if n.Partition == "" {
		return s.Name + "-service"
	}
	return s.Name + "-" + s.Namespace + "-service"
}

func (n Naming) clientPolicy() string { return n.Prefix + "-consul-client-policy" }

// links are the policies of a service's token.
func (n Naming) links(s Service) []string {
	if n.Partition == "" {
		return []string{n.policy(s)}
	}
	return []string{n.policy(s), crossNamespacePolicy}
}

// description is the text of a "Token" or "Policy"; it carries the ownership.
func (n Naming) description(what string, s Service) string {
	text := fmt.Sprintf("%s for %s service\n%s%s", what, s.Name, lineCluster, n.Cluster.Raw)
	if n.Partition != "" {
		text += "\n" + linePartition + s.Partition + "\n" + lineNamespace + s.Namespace
	}
	return text
}

// owner reads a description of ours: what is "Token" or "Policy". Every line is
// compared whole, so that cluster dev never owns what is dev-2's, and a text
// with anything else in it belongs to somebody else.
func (n Naming) owner(what, text string) (Service, bool) {
	lines := strings.Split(text, "\n")
	name, ok := strings.CutPrefix(lines[0], what+" for ")
	if !ok {
		return Service{}, false
	}
	name, ok = strings.CutSuffix(name, " service")
	if !ok || name == "" || len(lines) < 2 {
		return Service{}, false
	}
	cluster, ok := strings.CutPrefix(lines[1], lineCluster)
	if !ok || !n.Cluster.Is(cluster) {
		return Service{}, false
	}
	if n.Partition == "" {
		return Service{Name: name}, len(lines) == 2
	}
	if len(lines) != 4 {
		return Service{}, false
	}
	partition, ok1 := strings.CutPrefix(lines[2], linePartition)
	namespace, ok2 := strings.CutPrefix(lines[3], lineNamespace)
	if !ok1 || !ok2 || partition != n.Partition || namespace == "" {
		return Service{}, false
	}
	return Service{Name: name, Namespace: namespace, Partition: partition}, true
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
