package token

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/secret"
)

// vault is a store with one secret that changes.
type vault struct {
	mu    sync.Mutex
	value string
	err   error
	asked []time.Time
}

func (v *vault) Get(context.Context, secret.Ref) (secret.String, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, time.Now())
	return secret.String(v.value), v.err
}

func (v *vault) put(value string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value, v.err, v.asked = value, err, nil
}

// renewing is a renewal of a token "old" over a vault, in a testing/synctest bubble.
type renewing struct {
	vault
	of        Role
	up, known bool
	tokens    *Tokens
	offers    []offer
	log       bytes.Buffer
}

func (r *renewing) begin(t *testing.T) (end func()) {
	ref := parse(t, arn)
	r.tokens = New(Config{Service: ref, Agent: ref, Store: r, Refresh: 5 * time.Minute, Log: hclog.New(&hclog.LoggerOptions{Output: &r.log})})
	r.tokens.values = map[secret.Ref]secret.String{ref: "old"}
	r.tokens.use[r.of] = "old"
	x := Renewal{
		Of: r.of,
		Up: func() bool { return r.up },
		Accessor: func(_ context.Context, token string) (string, error) {
			if !r.known {
				return "", errors.New("ACL not found")
			}
			return "of " + token, nil
		},
		Offered: func() { r.offers = append(r.offers, r.tokens.next[r.of]) },
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); r.tokens.renew(t.Context(), []Renewal{x}, stop) }()
	return func() { close(stop); <-done }
}

// pauses are the times between the questions of an hour.
func (r *renewing) pauses() (shortest, longest time.Duration) {
	time.Sleep(time.Hour)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	shortest = time.Hour
	for i, at := range r.asked[1:] {
		pause := at.Sub(r.asked[i])
		shortest, longest = min(shortest, pause), max(longest, pause)
	}
	return shortest, longest
}

func TestRenewal(t *testing.T) {
	regular, hurried := [2]time.Duration{4*time.Minute + 30*time.Second, 5*time.Minute + 30*time.Second}, [2]time.Duration{unusedPause * 9 / 10, unusedPause * 11 / 10}
	for name, c := range map[string]struct {
		value       string
		err         error
		down, early bool
		offered     bool
		pause       [2]time.Duration
		warns       int
	}{
		"the same":               {value: "old", pause: regular},
		"another":                {value: "new", offered: true, pause: hurried}, // until it is taken over
		"the mesh is not up":     {value: "new", down: true, pause: hurried},
		"not known to Consul":    {value: "new", early: true, pause: hurried},
		"not to be read":         {err: fmt.Errorf("throttled"), pause: regular, warns: 1},
		"emptied by hand":        {value: "{}", pause: regular, warns: 1},
		"another, and then none": {value: "", pause: regular, warns: 1},
	} {
		for _, of := range []Role{OfService, OfAgent} {
			t.Run(name+" of "+of.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := &renewing{of: of, up: !c.down, known: !c.early}
					r.put(c.value, c.err)
					end := r.begin(t)
					shortest, longest := r.pauses()
					end()
					if shortest < c.pause[0] || longest > c.pause[1] {
						t.Errorf("asked every %v to %v, want %v", shortest, longest, c.pause)
					}
					if (len(r.offers) > 0) != c.offered || c.offered && r.offers[0] != (offer{"new", "of new"}) {
						t.Errorf("offered: %d", len(r.offers))
					}
					if n := strings.Count(r.log.String(), "[WARN]"); n != c.warns {
						t.Errorf("%d warnings, want %d:\n%s", n, c.warns, r.log.String())
					}
					time.Sleep(time.Hour)
				})
			})
		}
	}
}

// A stop ends the wait at once, and a question that hangs.
func TestRenewalEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &renewing{}
		r.put("old", nil)
		end := r.begin(t)
		time.Sleep(time.Minute)
		begun := time.Now()
		end()
		stop := make(chan struct{})
		close(stop)
		r.tokens.renew(t.Context(), nil, stop)
		if took := time.Since(begun); took != 0 {
			t.Errorf("ended after %v", took)
		}
	})
}
