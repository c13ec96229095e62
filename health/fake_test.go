package health

// Its sleeps are the lags of a fake agent in fake time: every user runs it in a
// testing/synctest bubble. It shares nothing with internal/testbed/consulfake: that one is asked
// over a network, which a bubble does not have, and has none of these lags.

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	testService = "web-1"
	testProxy   = "web-1-sidecar-proxy"
	testAlias   = "service:web-1-sidecar-proxy:2"
	testCheck   = "web-1-app-consul-ecs"
)

// fakeAgent is a Consul agent as far as checks go: an update changes the local state and
// then sends everything unsent to the servers; the alias check follows by itself and is
// sent by nobody.
type fakeAgent struct {
	mu      sync.Mutex
	local   map[string]string
	servers map[string]string
	service []string // the check IDs that the alias follows
	applied []applied
	fail    error         // what every call answers while set
	lag     time.Duration // until an update is applied, and again until it is answered
	jitter  *rand.Rand    // scales lag per call when set
	alias   time.Duration // until the alias check follows
	stuck   bool          // the alias check never turns passing
	beats   map[string][]time.Time
}

type applied struct {
	at         time.Time
	id, status string
	output     string
}

func newFakeAgent(checks ...string) *fakeAgent {
	f := &fakeAgent{local: map[string]string{testAlias: "critical"}, servers: map[string]string{}, service: checks,
		lag: time.Millisecond, alias: time.Millisecond, beats: map[string][]time.Time{}}
	for _, id := range checks {
		f.local[id] = "critical"
	}
	maps.Copy(f.servers, f.local)
	return f
}

func (f *fakeAgent) pause() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.jitter != nil {
		return time.Duration(float64(f.lag) * f.jitter.Float64())
	}
	return f.lag
}

// call applies do after a lag, also when the caller has given up by then: a request that
// was sent cannot be called back.
func (f *fakeAgent) call(ctx context.Context, do func() error) error {
	before, after := f.pause(), f.pause()
	done := make(chan error, 1)
	go func() {
		time.Sleep(before)
		f.mu.Lock()
		err := f.fail
		if err == nil {
			err = do()
		}
		maps.DeleteFunc(f.servers, func(id, _ string) bool { _, ok := f.local[id]; return !ok })
		maps.Copy(f.servers, f.local)
		f.mu.Unlock()
		time.Sleep(after)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow has the alias check computed anew, a moment later. The lock is held.
func (f *fakeAgent) follow() {
	time.AfterFunc(f.alias, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.local[testAlias]; !ok {
			return
		}
		worst := "passing"
		for _, id := range append(f.service, MaintenanceID(testService)) {
			if f.local[id] == "critical" {
				worst = "critical"
			}
		}
		if f.stuck {
			worst = "critical"
		}
		f.local[testAlias] = worst
	})
}

func (f *fakeAgent) UpdateTTL(ctx context.Context, id, status, output string) error {
	return f.call(ctx, func() error {
		was, ok := f.local[id]
		if !ok {
			return errors.New("unknown check ID " + id)
		}
		f.local[id] = status
		f.applied = append(f.applied, applied{time.Now(), id, status, output})
		if was != status {
			f.follow()
		}
		return nil
	})
}

func (f *fakeAgent) Maintenance(ctx context.Context, service string, on bool, reason string) error {
	return f.call(ctx, func() error {
		if _, ok := f.local[testAlias]; !ok {
			return errors.New("no service registered with ID " + service)
		}
		id, status := MaintenanceID(service), "passing"
		delete(f.local, id)
		if on {
			f.local[id], status = "critical", "critical"
		}
		f.applied = append(f.applied, applied{time.Now(), id, status, reason})
		f.follow()
		return nil
	})
}

func (f *fakeAgent) Checks(ctx context.Context) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	return maps.Clone(f.local), nil
}

// set changes the agent's own state or behaviour.
func (f *fakeAgent) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// restart loses everything that was registered; register brings it back.
func (f *fakeAgent) restart() { f.set(func() { clear(f.local) }) }

func (f *fakeAgent) register(context.Context) error {
	f.set(func() {
		for _, id := range append(f.service, testAlias) {
			if _, ok := f.local[id]; !ok {
				f.local[id] = "critical"
			}
		}
		f.follow()
	})
	return nil
}

// at is the status of a check at the servers; "" when they do not have it.
func (f *fakeAgent) at(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.servers[id]
}

func (f *fakeAgent) log() []applied {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]applied(nil), f.applied...)
}
