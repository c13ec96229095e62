package acl

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var errCrashed = errors.New("crashed")

// crashWorld has one service in each state that leads to writes.
func crashWorld(t *testing.T) *model {
	t.Helper()
	m := newModel()
	m.setSecret("pre-consul-client-token", "{}")
	for _, s := range []string{"ended", "emptied", "tokenless"} {
		m.setSecret("pre-"+s, "{}")
	}
	arn := m.run("ended")
	m.run("emptied")
	m.run("tokenless")
	work(t, m.controller(t), time.Second)
	m.stop(arn)
	m.setSecret("pre-emptied", "{}")
	delete(m.tokens, m.creds(t, "pre-tokenless").AccessorID)
	m.setSecret("pre-new", "{}")
	m.run("new")
	m.run("made") // its secret does not exist
	return m
}

func crashConfig(c *Config) {
	c.DeletionGrace, c.CreateSecrets, c.ClientSecret = -1, true, "pre-consul-client-token"
}

// TestCrashBetweenAnyTwoCalls ends the controller at every call of a life, in
// turn: before the call, and after it with the answer lost. The next controller
// finds the rest and puts it right: secret and token agree for every service,
// and nothing is left over.
func TestCrashBetweenAnyTwoCalls(t *testing.T) {
	calls := 0
	for at := 1; ; at++ {
		ended := false
		for _, how := range []error{errCrashed, errLostAnswer} {
			synctest.Test(t, func(t *testing.T) {
				m := crashWorld(t)
				m.n = 0
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second) // three sweeps
				defer cancel()
				m.gate = func(_ string, n int) error {
					switch {
					case n < at:
						return nil
					case n == at:
						cancel()
						return how
					}
					return errCrashed // a dead process calls nobody
				}
				if err := m.controller(t, crashConfig).Run(ctx); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				ended, calls = m.n < at, max(calls, m.n)
				m.gate = nil
				c := m.controller(t, crashConfig)
				work(t, c, 25*time.Second)
				err := m.check(c.naming)
				if len(m.tokens) != 5 { // client, emptied, tokenless, new, made
					err = errors.Join(err, fmt.Errorf("%d tokens", len(m.tokens)))
				}
				if got := m.content("pre-ended"); got != "{}" {
					err = errors.Join(err, errors.New("the ended service's secret was not cleared"))
				}
				if client := m.creds(t, "pre-consul-client-token"); m.tokens[client.AccessorID].SecretID != client.SecretID {
					err = errors.Join(err, errors.New("the client's secret is not its token"))
				}
				if err != nil {
					t.Errorf("crash at call %d (%v): %v", at, how, err)
				}
			})
		}
		if ended {
			break
		}
	}
	if calls < 20 {
		t.Errorf("only %d calls: the world is too small to prove anything", calls)
	}
	t.Logf("crashed at each of %d calls, twice", calls)
}

// TestTwoControllersAtOnce lets two work on one world, with latencies that
// interleave their calls in many ways: one token per service comes out.
func TestTwoControllersAtOnce(t *testing.T) {
	for seed := range 200 {
		synctest.Test(t, func(t *testing.T) {
			m := crashWorld(t)
			delay := func(call string, n int) error {
				time.Sleep(time.Duration((n*7919+seed*104729)%97) * time.Millisecond)
				return nil
			}
			m.gate = delay
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			for range 2 {
				c := m.controller(t, crashConfig)
				go func() { _ = c.Run(ctx) }()
			}
			<-ctx.Done()
			after(time.Minute)
			if err := m.check(m.controller(t, crashConfig).naming); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}
