package reconcile

import (
	"fmt"
	"strings"

	"meshtask/internal/servicename"
)

// TaskInfo is what ECS says of a task.
type TaskInfo struct {
	ARN        string
	Definition string // ARN of the task definition
	Tags       map[string]string
}

// TaskID is the last part of a task's ARN.
func TaskID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// Classify decides for which service a task is, or why it gets no token.
func Classify(t TaskInfo, n Naming) (s Service, skip string) {
	if t.Tags[tagMesh] != "true" {
		return Service{}, fmt.Sprintf("tag %s is not \"true\" (does the ECS service propagate the tags of its task definition?)", tagMesh)
	}
	s = Service{Name: t.Tags[tagService]}
	if s.Name == "" {
		family, ok := family(t.Definition)
		if !ok {
			return Service{}, fmt.Sprintf("no tag %s, and no family in task definition %q", tagService, t.Definition)
		}
		s.Name = servicename.Default(family)
	}
	if n.Partition != "" {
		s.Partition, s.Namespace = t.Tags[tagPartition], t.Tags[tagNamespace]
		switch {
		case s.Partition == "" && s.Namespace == "":
			s.Partition, s.Namespace = defaultName, defaultName
		case s.Partition == "":
			return Service{}, fmt.Sprintf("tag %s without tag %s: give both or neither", tagNamespace, tagPartition)
		case s.Namespace == "":
			return Service{}, fmt.Sprintf("tag %s without tag %s: give both or neither", tagPartition, tagNamespace)
		}
		if s.Partition != n.Partition {
			return Service{}, fmt.Sprintf("partition %q is not ours (%q)", s.Partition, n.Partition)
		}
	}
	if why := n.Refuses(s); why != "" {
		return Service{}, why
	}
	return s, ""
}

// Concerns says whether a task is one of the mesh, and not known to be of another partition.
func (n Naming) Concerns(t TaskInfo) bool {
	other := t.Tags[tagPartition]
	return t.Tags[tagMesh] == "true" && (n.Partition == "" || other == "" || other == n.Partition)
}

// family is the family in a task definition's ARN,
// arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION.
func family(arn string) (string, bool) {
	_, tail, ok := strings.Cut(arn, ":task-definition/")
	name, revision, okRevision := strings.Cut(tail, ":")
	return name, ok && okRevision && name != "" && revision != "" && !strings.ContainsAny(name+revision, ":/")
}
