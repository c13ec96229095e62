package acl

import (
	"fmt"
	"maps"
	"sync"
	"time"
)

// Stats are counters and gauges of a controller, for whoever publishes them.
type Stats struct {
	Leading      bool
	LeadingSince time.Time // zero: never
	Sweeps       int64     // ended, complete or not
	Failed       int64     // of these, incomplete or with an operation that failed
	SweepTime    time.Duration
	LastSuccess  time.Time // end of the last sweep without a failure; zero: none yet
	Tasks        int       // listed by the last sweep
	Skipped      int       // of these, not ours
	Services     int       // with tasks
	Tokens       int       // ours
	Findings     int       // what the last look at each service could not mend
	Operations   map[string]int64
	Calls        map[Call]int64
}

// Call is an API call and how it ended.
type Call struct {
	API    string // such as "ecs:ListTasks", "consul:ListTokens"
	Result string // ok, throttled or error
}

// counters is the Stats of a running controller.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func newCounters() *counters {
	return &counters{s: Stats{Operations: map[string]int64{}, Calls: map[Call]int64{}}}
}

func (c *counters) update(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counters) called(api string, err error) {
	result := "ok"
	switch {
	case isThrottled(err):
		result = "throttled"
	case err != nil && !expected(err):
		result = "error"
	}
	c.update(func(s *Stats) { s.Calls[Call{api, result}]++ })
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.Operations, s.Calls = maps.Clone(s.Operations), maps.Clone(s.Calls)
	return s
}

// staleAfter is how many intervals without one good sweep are too many.
const staleAfter = 6

// Health says whether the controller does its work, and what it does, in a line:
// it stands by, or its last good sweep is not long ago.
func (c *Controller) Health(now time.Time) (ok bool, what string) {
	s := c.Stats()
	if !s.Leading {
		return true, "standing by"
	}
	since := s.LastSuccess
	if since.Before(s.LeadingSince) {
		since = s.LeadingSince
	}
	limit := max(time.Minute, staleAfter*c.cfg.Interval)
	switch age := now.Sub(since); {
	case age > limit:
		return false, fmt.Sprintf("no good sweep for %v", age.Round(time.Second))
	case s.LastSuccess.Before(s.LeadingSince):
		return true, "waiting for a first good sweep"
	}
	return true, "working"
}
