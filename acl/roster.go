package acl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// describeMost is how many tasks ECS describes in one call.
const describeMost = 100

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

// roster is what is known of the cluster's tasks.
type roster struct {
	tasks map[string]task // by ARN
	live  map[Service][]string
	count int // listed by the last sweep
}

// list brings the roster up to date: one ListTasks call for 100 tasks, and
// DescribeTasks for those never seen. When it returns an error the roster holds
// what was seen until then, and must not be taken for the whole.
func (c *Controller) list(ctx context.Context, r *roster) error {
	var arns, fresh []string
	var err error
	for page, more := "", true; more && err == nil; more = page != "" {
		var some []string
		var next string // page stays for another try
		err = c.ecs(ctx, "ecs:ListTasks", func(ctx context.Context) (err error) {
			some, next, err = c.tasks.ListTasks(ctx, c.cfg.Cluster, page)
			return err
		})
		arns, page = append(arns, some...), next
	}
	slices.Sort(arns)
	arns = slices.Compact(arns) // pages may overlap while tasks come and go
	for _, arn := range arns {
		if _, ok := r.tasks[arn]; !ok {
			fresh = append(fresh, arn)
			c.naming.Cluster = c.naming.Cluster.learn(arn)
		}
	}
	for some := range slices.Chunk(fresh, describeMost) {
		if derr := c.describe(ctx, r, some); derr != nil {
			err = fmt.Errorf("describe tasks: %w", derr)
			break
		}
	}
	r.settle(arns, err == nil)
	return err
}

func (c *Controller) describe(ctx context.Context, r *roster, arns []string) error {
	var infos []TaskInfo
	err := c.ecs(ctx, "ecs:DescribeTasks", func(ctx context.Context) (err error) {
		infos, err = c.tasks.DescribeTasks(ctx, c.cfg.Cluster, arns)
		return err
	})
	for _, info := range infos {
		t := classify(info, c.naming)
		r.tasks[info.ARN] = t
		if t.skip != "" {
			c.say.skipped(info.ARN, t.skip)
		}
	}
	return err
}

// settle makes the live services of the tasks listed, and forgets tasks that
// have long not been.
func (r *roster) settle(arns []string, complete bool) {
	r.live, r.count = map[Service][]string{}, len(arns)
	for _, arn := range arns {
		t, ok := r.tasks[arn]
		if !ok {
			continue // listed, but gone when it was to be described
		}
		t.missed = 0
		r.tasks[arn] = t
		if t.skip == "" {
			r.live[t.service] = append(r.live[t.service], arn)
		}
	}
	if !complete {
		return
	}
	for arn, t := range r.tasks {
		if _, found := slices.BinarySearch(arns, arn); found {
			continue
		}
		if t.missed++; t.missed >= forgetAfter {
			delete(r.tasks, arn)
		} else {
			r.tasks[arn] = t
		}
	}
}

// reconsider forgets the tasks that were skipped, so that the next sweep looks
// at their tags again: they may have been tagged since.
func (r *roster) reconsider() {
	for arn, t := range r.tasks {
		if t.skip != "" {
			delete(r.tasks, arn)
		}
	}
}

func (r *roster) skipped() (n int) {
	for _, t := range r.tasks {
		if t.skip != "" && t.missed == 0 {
			n++
		}
	}
	return n
}

// ecs makes one call of ECS, within the quota that all of them share. A
// throttled one is repeated after a while, for everybody more slowly.
func (c *Controller) ecs(ctx context.Context, api string, call func(context.Context) error) error {
	for try := 0; ; try++ {
		if err := c.ecsLimit.wait(ctx); err != nil {
			return err
		}
		err := c.call(ctx, api, call)
		switch {
		case errors.Is(err, ErrUnsure) && try < unsureTries:
		case isThrottled(err) && try < throttledTries:
			c.ecsLimit.slow()
		default:
			return err
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return err
		}
	}
}

// callLimit is the longest that one call to AWS or Consul may take; both answer
// in milliseconds, and a lost one must not hold up a sweep.
const callLimit = 10 * time.Second

// call makes one call, limited and counted.
func (c *Controller) call(ctx context.Context, api string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := call(ctx)
	c.stats.called(api, err)
	return err
}
