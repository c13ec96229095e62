package lease

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"meshtask/internal/ecs"
)

// Roster knows the containers of this task by its metadata endpoint. Its fields
// are set before use.
type Roster struct {
	// Containers asks the endpoint; required. It must honour ctx.
	Containers func(ctx context.Context) ([]ecs.Container, error)
	Own        string   // the mesh container, which holds no lease
	Synced     []string // the containers whose health is synced; empty: nobody has said

	asking sync.Mutex // one look at a time
	mu     sync.Mutex
	names  []string  // every container that was ever listed: a task keeps its containers
	asked  time.Time // when the last look began
}

const (
	// lookLimit is the time that one look at the endpoint may take.
	lookLimit = 2 * time.Second
	// lookPause is the minimum time between two looks that peers can cause.
	lookPause = time.Second
)

// admits says whether name is another container of the task; if not, why. All
// containers may hold a lease, whether their health is synced or not: a worker
// without a port has no health to sync, and is to be stopped in order all the same.
func (r *Roster) admits(ctx context.Context, name string) (why string) {
	if r.listed(name) {
		return ""
	}
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.listed(name) {
		return ""
	}
	if time.Since(r.asked) >= lookPause {
		r.asked = time.Now()
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		list, err := r.Containers(ctx)
		cancel()
		if err != nil {
			return "the task metadata endpoint does not tell the names of the task's containers, try again"
		}
		r.take(list)
	}
	if r.listed(name) {
		return ""
	}
	return fmt.Sprintf("%s is not the name of another container of this task, by the task metadata endpoint", name)
}

func (r *Roster) listed(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.names, name)
}

func (r *Roster) take(list []ecs.Container) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range list {
		if c.Name != r.Own && ours(c) && !slices.Contains(r.names, c.Name) {
			r.names = append(r.names, c.Name)
		}
	}
}

// ours: AWS adds containers of its own to a task, which are of another type.
func ours(c ecs.Container) bool { return c.Type == "NORMAL" || c.Type == "" }

// others counts app containers that still run and are not in known, those that
// have held a lease: the fallback for apps without our wrapper.
func (r *Roster) others(ctx context.Context, known []string) (int, error) {
	if len(r.Synced) == 0 && len(known) > 0 {
		return 0, nil // the apps hold leases; what else runs is a log router, an agent
	}
	list, err := r.Containers(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range list {
		app := len(r.Synced) == 0 || slices.Contains(r.Synced, c.Name)
		if app && ours(c) && c.Name != r.Own && runs(c) && !slices.Contains(known, c.Name) {
			n++
		}
	}
	return n, nil
}

// runs says whether a container has an app that may still call out. One that has
// not been started when the task stops never will be.
func runs(c ecs.Container) bool {
	return !slices.Contains([]string{"NONE", "MANIFEST_PULLED", "PULLED", "CREATED", "STOPPED"}, c.KnownStatus)
}

// OwnName is the container's name by the task metadata endpoint at uri; an
// endpoint that is not there, or does not answer at once, names nobody.
func OwnName(ctx context.Context, uri string) string {
	c, err := ecs.New(uri)
	if err != nil {
		return ""
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	own, err := c.Own(ctx)
	if err != nil {
		return ""
	}
	return own.Name
}
