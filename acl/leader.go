package acl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
	"meshtask/internal/event"
)

// sessionTTL is the shortest that Consul takes; it waits up to twice as long
// before it gives up a session, which bounds a takeover after SIGKILL by 20 s.
const sessionTTL = 10 * time.Second

// consulLock is a leader by a Consul session and a key.
type consulLock struct {
	api    *api.Client
	key    string
	log    hclog.Logger
	report event.Report
}

// newConsulLock makes a lock for the controllers of one cluster and partition. The
// client's token needs session:write, and key:write on the key, which is
// meshtask/acl-controller/CLUSTER[/PARTITION].
func newConsulLock(client *api.Client, cfg Config) *consulLock {
	key := "meshtask/acl-controller/" + reconcile.NewCluster(cfg.Cluster).Name()
	if cfg.Partition != "" {
		key += "/" + cfg.Partition
	}
	return &consulLock{client, key, cfg.Log, cfg.Report.Or()}
}

func (l *consulLock) waits(lastError string) {
	l.report(event.Waiting{What: "Consul (the leader lock)", Err: lastError, Fix: consulHint})
}

// Hold is leader's. A session is made only when the key is free, so that a
// controller that waits holds nothing that could expire.
func (l *consulLock) Hold(ctx context.Context, lead func(context.Context) error) error {
	defer l.report(event.WaitOver{})
	tries, failing := newBackOff(), false
	for ctx.Err() == nil {
		if !failing {
			l.waits("")
		}
		err := l.free(ctx)
		if err == nil {
			var led bool
			if led, err = l.attempt(ctx, lead); led && (err == nil || !errors.Is(err, errLost)) {
				return err // lead ended by itself, or because ctx did
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if failing = err != nil; !failing {
			tries.Reset()
			continue
		}
		next := tries.NextBackOff()
		l.waits(err.Error())
		l.log.Warn("no leader lock, trying again", "key", l.key, "in", next.Round(time.Millisecond), "error", err)
		if pause(ctx, next) != nil {
			return nil
		}
	}
	return nil
}

var errLost = errors.New("leader lock lost")

// free waits until nobody holds the key.
func (l *consulLock) free(ctx context.Context) error {
	for index, said := uint64(0), false; ; {
		pair, meta, err := l.api.KV().Get(l.key, (&api.QueryOptions{WaitIndex: index, WaitTime: time.Minute, RequireConsistent: true}).WithContext(ctx))
		if err != nil {
			return fmt.Errorf("watch the lock: %w", consulError(err, "key:read on "+l.key))
		}
		l.report(event.WaitOver{})
		if pair == nil || pair.Session == "" {
			return nil
		}
		if !said {
			l.log.Info("another acl controller works; standing by", "holder", string(pair.Value))
			said = true
		}
		index = meta.LastIndex
		if index < 1 { // a server that was restored; begin anew
			index = 0
		}
	}
}

// attempt tries to take the lock once, and leads while it holds. led says
// whether it did; an error with led is lead's own, or errLost.
func (l *consulLock) attempt(ctx context.Context, lead func(context.Context) error) (led bool, err error) {
	id, _, err := l.api.Session().Create(&api.SessionEntry{Name: "meshtask acl-controller", TTL: sessionTTL.String(),
		Behavior: api.SessionBehaviorRelease, LockDelay: time.Millisecond}, (&api.WriteOptions{}).WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("create a session: %w", consulError(err, "session:write"))
	}
	defer l.give(ctx, id)
	host, _ := os.Hostname() // only for people who look at the key
	got, _, err := l.api.KV().Acquire(&api.KVPair{Key: l.key, Value: []byte(host), Session: id}, (&api.WriteOptions{}).WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("take the lock: %w", consulError(err, "key:write on "+l.key))
	}
	if !got {
		return false, nil
	}
	l.log.Info("leader lock taken", "key", l.key)
	holding, lost := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { lost(l.renew(holding, id)) })
	wg.Go(func() { lost(l.watch(holding, id)) })
	err = lead(holding)
	cause := context.Cause(holding)
	lost(nil)
	wg.Wait()
	if ctx.Err() == nil && errors.Is(cause, errLost) {
		return true, cause
	}
	return true, err
}

// renew keeps the session alive, and returns when it may be no longer.
func (l *consulLock) renew(ctx context.Context, id string) error {
	for alive := time.Now(); ; {
		if pause(ctx, sessionTTL/4) != nil {
			return nil
		}
		began := time.Now()
		call, cancel := context.WithTimeout(ctx, sessionTTL/4)
		entry, _, err := l.api.Session().Renew(id, (&api.WriteOptions{}).WithContext(call))
		cancel()
		switch {
		case err == nil && entry == nil:
			return fmt.Errorf("%w: the session has expired", errLost)
		case err == nil:
			alive = began
		case time.Since(alive) > sessionTTL*3/4: // stop before Consul may give it to another
			return fmt.Errorf("%w: the session could not be renewed: %w", errLost, err)
		}
	}
}

// watch returns when the key is no longer ours: released by hand, or the
// session's node was lost.
func (l *consulLock) watch(ctx context.Context, id string) error {
	for index := uint64(0); ctx.Err() == nil; {
		pair, meta, err := l.api.KV().Get(l.key, (&api.QueryOptions{WaitIndex: index, WaitTime: time.Minute}).WithContext(ctx))
		if err != nil {
			if pause(ctx, time.Second) != nil { // renew decides when that is too long
				return nil
			}
			continue
		}
		if pair == nil || pair.Session != id {
			return fmt.Errorf("%w: the key was released", errLost)
		}
		index = meta.LastIndex
	}
	return nil
}

// give ends the session, and so the lock, at once.
func (l *consulLock) give(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := l.api.Session().Destroy(id, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
		l.log.Warn("leader lock not given up; it expires by itself", "after", 2*sessionTTL, "error", err)
	}
}
