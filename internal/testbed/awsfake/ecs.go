package awsfake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// describable is how long a stopped task is still described.
const describable = time.Hour

// ECS plays the tasks of clusters.
type ECS struct {
	mu       sync.Mutex
	tasks    map[string]*Task // by ARN
	clusters map[string][]string
	next     int
	bucket   *Bucket
	lag      time.Duration
	order    func(arns []string)
}

// Task is a task of ECS.
type Task struct {
	ARN     string
	Cluster string // short name
	Family  string
	Tags    map[string]string

	started, stopping, stopped time.Time
}

func newECS() *ECS {
	return &ECS{tasks: map[string]*Task{}, clusters: map[string][]string{}, bucket: NewBucket(20, 100)}
}

// Limit replaces the bucket that ListTasks and DescribeTasks share (20 a
// second, burst 100); nil: no limit.
func (e *ECS) Limit(b *Bucket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bucket = b
}

// Lag makes ListTasks show starts and stops that much later.
func (e *ECS) Lag(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lag = d
}

// Order lets f rearrange what ListTasks shows, such as by shuffling or dropping
// some in place with empty strings.
func (e *ECS) Order(f func(arns []string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.order = f
}

// AddCluster makes a cluster without tasks.
func (e *ECS) AddCluster(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clusters[name] == nil {
		e.clusters[name] = []string{}
	}
}

// ClusterARN is the ARN of a cluster.
func ClusterARN(name string) string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:cluster/%s", Region, Account, name)
}

// Run starts a task and gives its ARN.
func (e *ECS) Run(cluster, family string, tags map[string]string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	arn := fmt.Sprintf("arn:aws:ecs:%s:%s:task/%s/%032x", Region, Account, cluster, e.next)
	e.tasks[arn] = &Task{ARN: arn, Cluster: cluster, Family: family, Tags: tags, started: time.Now()}
	e.clusters[cluster] = append(e.clusters[cluster], arn)
	return arn
}

// BeginStop asks a task to stop: it is no longer listed, but lives until Stop.
func (e *ECS) BeginStop(arn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tasks[arn].stopping = time.Now()
}

// Forget is what an hour does to a stopped task: it is no longer described.
func (e *ECS) Forget(arn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tasks[arn].stopped = time.Now().Add(-2 * describable)
}

// Stop stops a task; it loses its tags.
func (e *ECS) Stop(arn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tasks[arn]
	t.stopped, t.Tags = time.Now(), nil
	if t.stopping.IsZero() {
		t.stopping = t.stopped
	}
}

// Tag replaces the tags of a running task.
func (e *ECS) Tag(arn string, tags map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tasks[arn].Tags = tags
}

func (e *ECS) serve(operation string, body []byte) reply {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.bucket.take() {
		return fail("ThrottlingException", "Rate exceeded")
	}
	switch operation {
	case "ListTasks":
		return e.list(body)
	case "DescribeTasks":
		return e.describe(body)
	}
	return fail("UnknownOperationException", "no operation %q", operation)
}

// cluster is the cluster of exactly that name or ARN.
func (e *ECS) cluster(s string) (string, bool) {
	name, _ := strings.CutPrefix(s, ClusterARN(""))
	_, found := e.clusters[name]
	return name, found
}

func (e *ECS) list(body []byte) reply {
	var in struct {
		Cluster, NextToken, DesiredStatus string
		MaxResults                        int
	}
	if a, fine := decode(body, &in); !fine {
		return a
	}
	cluster, found := e.cluster(in.Cluster)
	switch {
	case !found:
		return fail("ClusterNotFoundException", "Cluster not found.")
	case in.MaxResults < 0 || in.MaxResults > 100:
		return fail("InvalidParameterException", "maxResults must be between 1 and 100")
	case in.DesiredStatus != "" && in.DesiredStatus != "RUNNING":
		return fail("InvalidParameterException", "the fake lists running tasks only")
	case in.MaxResults == 0:
		in.MaxResults = 100
	}
	from := 0
	if in.NextToken != "" {
		var err error
		if from, err = strconv.Atoi(in.NextToken); err != nil {
			return fail("InvalidParameterException", "Invalid token")
		}
	}
	all := e.listed(cluster)
	page := all[min(from, len(all)):min(from+in.MaxResults, len(all))]
	out := map[string]any{"taskArns": page}
	if from+len(page) < len(all) {
		out["nextToken"] = strconv.Itoa(from + len(page))
	}
	return ok(out)
}

func (e *ECS) listed(cluster string) []string {
	arns, now := []string{}, time.Now()
	for _, arn := range e.clusters[cluster] {
		t := e.tasks[arn]
		if now.Sub(t.started) >= e.lag && (t.stopping.IsZero() || now.Sub(t.stopping) < e.lag) {
			arns = append(arns, arn)
		}
	}
	if e.order != nil {
		e.order(arns)
		arns = slices.DeleteFunc(arns, func(a string) bool { return a == "" })
	}
	return arns
}

func (e *ECS) describe(body []byte) reply {
	var in struct {
		Cluster        string
		Tasks, Include []string
	}
	if a, fine := decode(body, &in); !fine {
		return a
	}
	cluster, found := e.cluster(in.Cluster)
	switch {
	case !found:
		return fail("ClusterNotFoundException", "Cluster not found.")
	case len(in.Tasks) == 0:
		return fail("InvalidParameterException", "Tasks cannot be empty.")
	case len(in.Tasks) > 100:
		return fail("InvalidParameterException", "Member must have length less than or equal to 100")
	}
	tasks, failures := []any{}, []any{}
	for _, arn := range in.Tasks {
		t := e.tasks[arn]
		if t == nil || t.Cluster != cluster || !t.stopped.IsZero() && time.Since(t.stopped) > describable {
			failures = append(failures, map[string]string{"arn": arn, "reason": "MISSING"})
			continue
		}
		tasks = append(tasks, t.document(slices.Contains(in.Include, "TAGS")))
	}
	return ok(map[string]any{"tasks": tasks, "failures": failures})
}

func (t *Task) document(withTags bool) map[string]any {
	status, desired := "RUNNING", "RUNNING"
	if !t.stopping.IsZero() {
		status, desired = "DEACTIVATING", "STOPPED"
	}
	if !t.stopped.IsZero() {
		status = "STOPPED"
	}
	doc := map[string]any{"taskArn": t.ARN, "clusterArn": ClusterARN(t.Cluster), "lastStatus": status, "desiredStatus": desired,
		"taskDefinitionArn": fmt.Sprintf("arn:aws:ecs:%s:%s:task-definition/%s:1", Region, Account, t.Family)}
	if withTags {
		tags := []map[string]string{}
		for k, v := range t.Tags {
			tags = append(tags, map[string]string{"key": k, "value": v})
		}
		doc["tags"] = tags
	}
	return doc
}
