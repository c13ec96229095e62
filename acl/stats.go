package acl

import (
	"context"
	"maps"
	"sync"
	"time"
)

// stats are counters and gauges of a controller.
type stats struct {
	leading      bool
	leadingSince time.Time // zero: never
	sweeps       int64     // ended, complete or not
	failed       int64     // of these, incomplete or with an operation that failed
	sweepTime    time.Duration
	lastSuccess  time.Time // end of the last sweep without a failure; zero: none yet
	tasks        int       // listed by the last sweep
	skipped      int       // of these, not ours
	services     int       // with tasks
	tokens       int       // ours
	findings     int       // that stand
	operations   map[string]int64
	calls        map[apiCall]int64
}

// apiCall is an API call and how it ended.
type apiCall struct {
	api    string // such as "ecs:ListTasks", "consul:ListTokens"
	result string // ok, throttled or error
}

// counters is the stats of a running controller.
type counters struct {
	mu sync.Mutex
	s  stats
}

func newCounters() *counters {
	return &counters{s: stats{operations: map[string]int64{}, calls: map[apiCall]int64{}}}
}

func (c *counters) update(f func(*stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counters) snapshot() stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.operations, s.calls = maps.Clone(s.operations), maps.Clone(s.calls)
	return s
}

// callLimit is the longest that one call to AWS or Consul may take; both answer
// in milliseconds, and a lost one must not hold up a sweep.
const callLimit = 10 * time.Second

// call makes one call, limited and counted.
func (c *counters) call(ctx context.Context, api string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := f(ctx)
	result := "ok"
	switch {
	case isThrottled(err):
		result = "throttled"
	case err != nil && !expected(err):
		result = "error"
	}
	c.update(func(s *stats) { s.calls[apiCall{api, result}]++ })
	return err
}
