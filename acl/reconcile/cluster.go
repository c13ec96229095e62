package reconcile

import "strings"

// Cluster is the ECS cluster that one controller works for.
type Cluster struct {
	Raw string // as descriptions name it: the metadata's Cluster, an ARN on Fargate, a name on EC2
	ARN string // empty while nobody has told it

	learned bool // ARN is a task's word
}

// NewCluster is the cluster of that name or ARN.
func NewCluster(raw string) Cluster {
	if strings.HasPrefix(raw, "arn:") {
		return Cluster{Raw: raw, ARN: raw}
	}
	return Cluster{Raw: raw}
}

// Name is the short name.
func (c Cluster) Name() string { return c.Raw[strings.LastIndexByte(c.Raw, '/')+1:] }

// Learn takes the ARN of a cluster given by name from the ARN of one of its
// tasks: account and Region are the same.
func (c Cluster) Learn(taskARN string) Cluster {
	head, rest, ok := strings.Cut(taskARN, ":task/")
	f := strings.Split(head, ":")
	if c.ARN == "" && ok && rest != "" && len(f) == 5 && f[0] == "arn" && f[2] == "ecs" {
		c.ARN, c.learned = head+":cluster/"+c.Raw, true
	}
	return c
}

// Is says whether a description's cluster is this one: its name or its ARN,
// exactly. An ARN is not ours before our own is known: the same name may exist
// in another Region.
func (c Cluster) Is(cluster string) bool {
	return cluster != "" && (cluster == c.Name() || cluster == c.ARN)
}
