package ecs

import (
	"fmt"
	"strings"
)

// ARN is an Amazon resource name, taken apart.
type ARN struct {
	Partition string // aws, aws-cn, …
	Service   string
	Region    string
	Account   string
	Resource  string // all after the fifth colon
}

// ParseARN takes an ARN apart.
func ParseARN(s string) (ARN, error) {
	f := strings.SplitN(s, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[1] == "" || f[2] == "" || f[5] == "" {
		return ARN{}, fmt.Errorf("bad ARN %q", s)
	}
	return ARN{f[1], f[2], f[3], f[4], f[5]}, nil
}

// TaskID is the last segment of a task's ARN, of the form with the cluster in
// it or the older one without.
func TaskID(taskARN string) (string, error) {
	a, err := ParseARN(taskARN)
	if err != nil {
		return "", err
	}
	f := strings.Split(a.Resource, "/")
	if id := f[len(f)-1]; a.Service == "ecs" && f[0] == "task" && len(f) <= 3 && len(f) > 1 && id != "" {
		return id, nil
	}
	return "", fmt.Errorf("bad task ARN %q", taskARN)
}

// ClusterARN is the ARN of the cluster of a task. Older task ARNs do not name
// it; then cluster, its name or ARN, decides.
func ClusterARN(taskARN, cluster string) (string, error) {
	if strings.HasPrefix(cluster, "arn:") {
		return cluster, nil
	}
	if _, err := TaskID(taskARN); err != nil {
		return "", err
	}
	f := strings.Split(taskARN, "/")
	if len(f) == 3 {
		cluster = f[1]
	}
	if cluster == "" {
		return "", fmt.Errorf("task ARN %q does not name its cluster", taskARN)
	}
	return strings.TrimSuffix(f[0], ":task") + ":cluster/" + cluster, nil
}
