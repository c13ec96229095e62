package acl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cenkalti/backoff/v5"

	"meshtask/acl/reconcile"
)

// maxDescribe is how many tasks ECS describes in one call.
const maxDescribe = 100

// forgetAfter is the number of complete sweeps after which a task that is no
// longer listed is forgotten. ECS's lists are eventually consistent: a task may
// be missing from one and be back in the next.
const forgetAfter = 3

// How often one call is repeated because of throttling, or because it got no
// answer: a sweep of 10 000 tasks is a hundred calls, of which all must pass.
const (
	throttledTries = 6
	unsureTries    = 2
)

// task is a task as the controller remembers it: ECS takes the tags away when
// it stops.
type task struct {
	service reconcile.Service
	kind    string // of gateway; empty: it is none
	skip    string // why it gets no token; empty: it is ours
	mesh    bool   // of those that are skipped: it is of the mesh, and of our partition
	missed  int    // complete sweeps since it was last listed
}

// taskList is what is known of the cluster's tasks.
type taskList struct {
	known  map[string]task // by ARN
	live   map[reconcile.Service][]string
	kinds  map[reconcile.Service]string // of gateways among them
	listed []string                     // ARNs, sorted, by the last sweep
}

// listTasks brings the list up to date: one ListTasks call for 100 tasks, and
// DescribeTasks for those never seen. When it returns an error the list holds
// what was seen until then, and must not be taken for the whole.
func (c *Controller) listTasks(ctx context.Context, l *taskList) error {
	var arns, fresh []string
	var err error
	for page, more := "", true; more && err == nil; more = page != "" {
		var some []string
		var next string // page stays for another try
		err = c.callECS(ctx, "ecs:ListTasks", func(ctx context.Context) (err error) {
			some, next, err = c.ecs.ListTasks(ctx, c.cfg.Cluster, page)
			return err
		})
		arns, page = append(arns, some...), next
	}
	slices.Sort(arns)
	arns = slices.Compact(arns) // pages may overlap while tasks come and go
	for _, arn := range arns {
		if _, ok := l.known[arn]; !ok {
			fresh = append(fresh, arn)
			c.naming.Cluster = c.naming.Cluster.Learn(arn)
		}
	}
	for some := range slices.Chunk(fresh, maxDescribe) {
		if derr := c.describe(ctx, l, some); derr != nil {
			err = fmt.Errorf("describe tasks: %w", derr)
			break
		}
	}
	l.update(arns, err == nil)
	return err
}

func (c *Controller) describe(ctx context.Context, l *taskList, arns []string) error {
	var infos []reconcile.TaskInfo
	err := c.callECS(ctx, "ecs:DescribeTasks", func(ctx context.Context) (err error) {
		infos, err = c.ecs.DescribeTasks(ctx, c.cfg.Cluster, arns)
		return err
	})
	for _, info := range infos {
		service, skip := reconcile.Classify(info, c.naming)
		l.known[info.ARN] = task{service: service, kind: reconcile.GatewayKind(info), skip: skip, mesh: c.naming.Concerns(info)}
		if skip != "" {
			c.findings.skip(info.ARN, skip)
		}
	}
	return err
}

// update makes the live services of the tasks listed, and forgets tasks that
// have long not been.
func (l *taskList) update(arns []string, complete bool) {
	l.live, l.kinds, l.listed = map[reconcile.Service][]string{}, map[reconcile.Service]string{}, arns
	for _, arn := range arns {
		t, ok := l.known[arn]
		if !ok {
			continue // listed, but gone when it was to be described
		}
		t.missed = 0
		l.known[arn] = t
		if t.skip == "" {
			l.live[t.service] = append(l.live[t.service], arn)
			if t.kind != "" {
				l.kinds[t.service] = t.kind
			}
		}
	}
	if !complete {
		return
	}
	for arn, t := range l.known {
		if _, found := slices.BinarySearch(arns, arn); found {
			continue
		}
		if t.missed++; t.missed >= forgetAfter {
			delete(l.known, arn)
		} else {
			l.known[arn] = t
		}
	}
}

// forgetSkipped forgets the tasks that were skipped, so that the next sweep looks
// at their tags again: they may have been tagged since.
func (l *taskList) forgetSkipped() {
	for arn, t := range l.known {
		if t.skip != "" {
			delete(l.known, arn)
		}
	}
}

// ids are the IDs of all tasks.
func (l *taskList) ids() (ids []string) {
	for _, arn := range l.listed {
		ids = append(ids, reconcile.TaskID(arn))
	}
	return ids
}

// unserved are the IDs of tasks of the mesh that are skipped, sorted.
func (l *taskList) unserved() (ids []string) {
	for _, arn := range l.listed {
		if t := l.known[arn]; t.skip != "" && t.mesh {
			ids = append(ids, reconcile.TaskID(arn))
		}
	}
	return ids
}

func (l *taskList) skipped() (n int) {
	for _, t := range l.known {
		if t.skip != "" && t.missed == 0 {
			n++
		}
	}
	return n
}

// callECS makes one call of ECS, within the quota that all of them share. A
// throttled one is repeated after a while, for everybody more slowly.
func (c *Controller) callECS(ctx context.Context, api string, f func(context.Context) error) error {
	throttled, unsure := 0, 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := c.ecsCalls.wait(ctx)
		if err != nil {
			return struct{}{}, backoff.Permanent(err)
		}
		err = c.stats.call(ctx, api, f)
		switch {
		case isThrottled(err) && throttled < throttledTries:
			throttled++
			c.ecsCalls.slow()
		case errors.Is(err, errUnsure) && unsure < unsureTries:
			unsure++
		case err != nil:
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(newBackOff()), backoff.WithMaxElapsedTime(0))
	return err
}
