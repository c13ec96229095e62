package acl

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

var web = Service{Name: "web"}

// after lets d pass, and whatever happens then.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// work runs the controller in a bubble of fake time for d, and then stops it.
func work(t *testing.T, c *Controller, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		t.Fatalf("Run: %v", err)
	}
	synctest.Wait() // what Run has started has ended
}

func TestUpsert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.run("web")
		m.run("")
		m.setSecret("pre-web", "{}")
		m.setSecret("pre-fam", `{"accessor_id":"","token":""}`)
		var order []string
		m.gate = func(call string, _ int) error {
			if slices.Contains([]string{"PutSecret", "CreatePolicy", "PutToken"}, call) {
				order = append(order, call)
			}
			return nil
		}
		c := m.controller(t)
		m.stop(slices.Sorted(func(yield func(string) bool) {
			for arn, i := range m.tasks {
				if i.Tags[tagService] == "" && !yield(arn) {
					return
				}
			}
		})...)
		work(t, c, time.Second)
		if want := []string{"PutSecret", "CreatePolicy", "PutToken"}; !slices.Equal(order, want) {
			t.Errorf("order of the calls: %v, want %v", order, want)
		}
		m.gate = nil
		m.run("") // the name is the family's
		work(t, m.controller(t), time.Second)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
	})
}

func TestScaleToZeroAndBackKeepsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		arn := m.run("web")
		c := m.controller(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		after(time.Second)
		before := m.content("pre-web")
		m.stop(arn)
		after(119 * time.Second)
		if m.content("pre-web") != before || len(m.own(c.naming, web)) != 1 {
			t.Errorf("the token was touched within the grace")
		}
		arn = m.run("web") // and so the grace begins anew
		after(20 * time.Second)
		m.stop(arn)
		after(119 * time.Second)
		if m.content("pre-web") != before || len(m.own(c.naming, web)) != 1 {
			t.Errorf("coming back did not renew the grace")
		}
		after(22 * time.Second) // the last service of the cluster ends
		if got := m.content("pre-web"); got != "{}" {
			t.Errorf("the secret was not cleared: %q", strings.ReplaceAll(got, before, "the old token"))
		}
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
		m.run("web")
		after(11 * time.Second)
		if err := m.check(c.naming); err != nil {
			t.Errorf("after coming back from nothing: %v", err)
		}
		cancel()
		wg.Wait()
	})
}

func TestNothingIsDeletedAfterAPartOfTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		for range 150 { // two pages, web's task on the second
			m.run("other", tagMesh, "false")
		}
		m.run("web")
		c := m.controller(t, func(c *Config) { c.DeletionGrace = -1 })
		work(t, c, time.Second)
		if err := m.check(c.naming); err != nil {
			t.Fatal(err)
		}
		lists := 0
		m.gate = func(call string, _ int) error {
			if call == "ListTasks" {
				if lists++; lists%2 == 0 {
					return errors.New("the second page fails")
				}
			}
			return nil
		}
		work(t, c, 10*time.Minute)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
		if m.calls["DeleteToken"] != 0 {
			t.Errorf("%d tokens deleted", m.calls["DeleteToken"])
		}
	})
}

func TestOneMissingSweepDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		arn := m.run("web")
		c := m.controller(t, func(c *Config) { c.DeletionGrace = -1 })
		st := newState()
		sweep := func() {
			t.Helper()
			if err := c.sweep(t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		info := m.tasks[arn]
		m.stop(arn)
		sweep()
		m.tasks[arn] = info // ECS's list is eventually consistent
		sweep()
		m.stop(arn)
		sweep()
		if m.calls["DeleteToken"] != 0 {
			t.Fatal("a token was deleted though no two sweeps in a row missed its task")
		}
		sweep()
		if m.calls["DeleteToken"] != 1 {
			t.Error("the token outlived its service")
		}
	})
}

func TestStartWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		start := time.Now()
		m.gate = func(call string, _ int) error {
			switch {
			case call == "ListTasks" && time.Since(start) < 30*time.Second:
				return errors.New("no route")
			case call == "Tokens" && time.Since(start) < 60*time.Second:
				return &Denied{By: "Consul", Needs: "acl:read for CONSUL_HTTP_TOKEN", Reason: "Permission denied"}
			}
			return nil
		}
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info}) })
		work(t, c, 80*time.Second)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), "needs acl:read for CONSUL_HTTP_TOKEN") {
			t.Errorf("the missing privilege is not named:\n%s", out.String())
		}
		if n := m.calls["Tokens"]; n > 25 {
			t.Errorf("%d tries in a minute: no back-off", n)
		}
	})
}

// TestStopFinishesTheChain asks the controller to stop during each call of a
// chain: the secret that is filled has its token, and 5 s are enough.
func TestStopFinishesTheChain(t *testing.T) {
	for _, during := range []string{"PutSecret", "CreatePolicy", "PutToken"} {
		t.Run(during, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				m.setSecret("pre-web", "{}")
				m.run("web")
				ctx, cancel := context.WithCancel(t.Context())
				var asked time.Time
				m.gate = func(call string, _ int) error {
					time.Sleep(700 * time.Millisecond)
					if call == during {
						asked = time.Now()
						cancel()
					}
					return nil
				}
				c := m.controller(t)
				if err := c.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(asked); took > 5*time.Second {
					t.Errorf("the stop took %v", took)
				}
				if err := m.check(c.naming); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStopIsBounded stops it while Consul hangs.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		ctx, cancel := context.WithCancel(t.Context())
		c := m.controller(t)
		hung := hungConsul{model: m, asked: cancel}
		c.consul = hung
		start := time.Now()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

type hungConsul struct {
	*model
	asked func()
}

func (h hungConsul) PutToken(ctx context.Context, _ Token) error {
	h.asked()
	<-ctx.Done()
	return context.Cause(ctx)
}
