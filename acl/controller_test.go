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

	"meshtask/acl/reconcile"
	"meshtask/internal/event"
)

var web = reconcile.Service{Name: "web"}

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

// running runs a controller until stop, which joins it, or to the end of the test.
func running(t *testing.T, c *Controller) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
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
		st := newMemory()
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

// TestStartWaits has ECS away for 30 s, and Consul refuse for a minute: it is said
// for whom, since when, the last error and what to do, and "working" only then.
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
				return &denied{by: "Consul", needs: "acl:read for CONSUL_HTTP_TOKEN", reason: "Permission denied"}
			}
			return nil
		}
		var out bytes.Buffer
		var now event.Waiting // zero: it waits for nothing
		c := m.controller(t, func(c *Config) {
			c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
			c.Report = func(e event.Event) { now, _ = e.(event.Waiting) }
		})
		stop := running(t, c)
		at := func(d time.Duration, what string, parts ...string) {
			t.Helper()
			after(d - time.Since(start))
			all := now.Err + " | " + now.Fix
			for _, p := range parts {
				if !strings.Contains(all, p) {
					t.Errorf("after %v it does not say %q: %s", d, p, all)
				}
			}
			if now.What != what {
				t.Errorf("after %v it waits for %q, want %q", d, now.What, what)
			}
			if working := strings.Contains(out.String(), "acl controller working"); working != (what == "") {
				t.Errorf("after %v it says that it works: %v", d, working)
			}
			if ok, text := c.Health(time.Now()); strings.HasPrefix(text, "working") != (what == "") || !ok {
				t.Errorf("after %v its health is %v, %q", d, ok, text)
			}
		}
		at(5*time.Second, "ECS and Consul", "list the tasks: no route", "needs acl:read", "Check AWS_REGION", "Grant acl:read for CONSUL_HTTP_TOKEN")
		at(50*time.Second, "Consul", "needs acl:read for CONSUL_HTTP_TOKEN", "Grant acl:read")
		at(80*time.Second, "")
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
		m.locked(func() {
			if n := m.calls["Tokens"]; n > 25 {
				t.Errorf("%d tries in a minute: no back-off", n)
			}
			m.gate = func(string, int) error { return errors.New("gone again") }
		})
		before := time.Since(start)
		after(20 * time.Second)
		if now.What != "ECS and Consul" {
			t.Errorf("%v later it waits for %q", time.Since(start)-before, now.What)
		}
		if ok, text := c.Health(time.Now().Add(time.Minute)); ok || !strings.Contains(text, "no good sweep") {
			t.Errorf("its health is %v, %q", ok, text)
		}
		stop()
		if now.What != "" {
			t.Error("it waits after its end")
		}
	})
}

// TestHealthAfterALongStandby: who stood by for hours is not to blame for them.
func TestHealthAfterALongStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		c := m.controller(t)
		c.asks(func(d *deps) { d.leader = lateLock(3 * time.Hour) })
		m.gate = func(string, int) error { return errors.New("no route") }
		running(t, c)
		after(time.Hour)
		if ok, text := c.Health(time.Now()); !ok || text != "standing by" {
			t.Errorf("standing by: %v, %q", ok, text)
		}
		after(2*time.Hour + time.Second)
		if ok, text := c.Health(time.Now()); !ok {
			t.Errorf("just taken over: %q", text)
		}
		after(2 * time.Minute)
		if ok, _ := c.Health(time.Now()); ok {
			t.Error("two minutes without a sweep are well")
		}
	})
}

type lateLock time.Duration

func (l lateLock) Hold(ctx context.Context, lead func(context.Context) error) error {
	if pause(ctx, time.Duration(l)) != nil {
		return nil
	}
	return lead(ctx)
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
		c.asks(func(d *deps) { d.tokens = hung })
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

func (h hungConsul) PutToken(ctx context.Context, _ reconcile.Token) error {
	h.asked()
	<-ctx.Done()
	return context.Cause(ctx)
}
