package envoy

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"meshtask/internal/event"
)

// drained runs an Inbound against the fake and returns what it reports.
func drained(t *testing.T, socket string, ctx context.Context, change func(*InboundConfig)) (d event.Drained, took time.Duration) {
	t.Helper()
	c := InboundConfig{
		Admin: socket,
		Max:   func() time.Duration { return patience },
		Report: func(e event.Event) {
			switch e := e.(type) {
			case event.Drained:
				d = e
			case event.Waiting, event.WaitOver:
			default:
				t.Errorf("it reports %+v", e)
			}
		},
	}
	change(&c)
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if err := NewInbound(c).Run(ctx, func() { close(ready) }, stop); err != nil {
			t.Error(err)
		}
	}()
	await(t, "ready", ready)
	began := time.Now()
	close(stop)
	await(t, "end", done)
	return d, time.Since(began)
}

// values gives one gauge's value after the other, then the last for ever.
func values(gauge string, all ...int64) func() string {
	var n atomic.Int32
	return func() string {
		i := min(int(n.Add(1)), len(all)) - 1
		return fmt.Sprintf(`[{"name":%q,"value":%d},{"name":"cluster.local_app.upstream_cx_active","value":7}]`, gauge, all[i])
	}
}

func check(t *testing.T, d event.Drained, start, end int64, protocol, why string) {
	t.Helper()
	if d.Start != start || d.End != end || d.Protocol != protocol || d.Why != why {
		t.Errorf("drained %+v, want start %d end %d protocol %s why %s", d, start, end, protocol, why)
	}
}

func TestDrainWaitsForTwoZerosInARow(t *testing.T) {
	f := newFakeAdmin()
	f.stats = values(gaugeHTTP, 3, 2, 0, 1, 0, 0)
	socket, _ := f.serve(t)
	kv, _ := drained(t, socket, t.Context(), func(*InboundConfig) {})
	check(t, kv, 3, 0, "http", "empty")
	if f.polls.Load() != 6 || f.drains.Load() != 1 {
		t.Errorf("%d polls, %d drain calls", f.polls.Load(), f.drains.Load())
	}
}

func TestDrainTCP(t *testing.T) {
	f := newFakeAdmin()
	f.stats = func() string { return `[{"name":"cluster.local_app.upstream_cx_active","value":2}]` }
	socket, _ := f.serve(t)
	const most = 150 * time.Millisecond
	kv, took := drained(t, socket, t.Context(), func(c *InboundConfig) { c.Max = func() time.Duration { return most } })
	check(t, kv, 2, 2, "tcp", "maximum")
	if took < most {
		t.Errorf("took %v of %v", took, most)
	}
}

func TestDrainKeepsItsTimes(t *testing.T) {
	f := newFakeAdmin()
	socket, _ := f.serve(t)
	const propagation, least = 120 * time.Millisecond, 200 * time.Millisecond
	var asked time.Time
	f.drain = func(w http.ResponseWriter) { asked = time.Now() }
	began := time.Now()
	kv, took := drained(t, socket, t.Context(), func(c *InboundConfig) {
		c.Propagation = func() time.Duration { return propagation }
		c.Min = func() time.Duration { return least }
	})
	check(t, kv, 0, 0, "http", "empty")
	if wait := asked.Sub(began); wait < propagation {
		t.Errorf("drain call after %v, propagation is %v", wait, propagation)
	}
	if took < propagation+least {
		t.Errorf("took %v", took)
	}
}

func TestDrainDisabledOrWithoutBudget(t *testing.T) {
	f := newFakeAdmin()
	socket, _ := f.serve(t)
	for name, change := range map[string]func(*InboundConfig){
		"disabled": func(c *InboundConfig) {
			c.Disabled = true
			c.Propagation = func() time.Duration { return time.Hour } // await would give up before
		},
		"no budget": func(c *InboundConfig) { c.Max = nil },
	} {
		if kv, _ := drained(t, socket, t.Context(), change); kv != (event.Drained{}) || f.drains.Load() != 0 {
			t.Errorf("%s: %v, %d calls", name, kv, f.drains.Load())
		}
	}
}

// The faults of the admin interface: a stop goes on with each of them.
func TestDrainFaults(t *testing.T) {
	const most = 300 * time.Millisecond
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, c := range map[string]struct {
		spoil func(*fakeAdmin)
		why   string
		polls bool
	}{
		"drain answers 500": {func(f *fakeAdmin) {
			f.drain = func(w http.ResponseWriter) { http.Error(w, "no", http.StatusInternalServerError) }
		}, "empty", true},
		"drain hangs":   {func(f *fakeAdmin) { f.drain = func(http.ResponseWriter) { <-release } }, "maximum", false},
		"poll hangs":    {func(f *fakeAdmin) { f.stats = func() string { <-release; return "[]" } }, "maximum", true},
		"gauge absent":  {func(f *fakeAdmin) { f.stats = func() string { return "[]" } }, "maximum", true},
		"no JSON":       {func(f *fakeAdmin) { f.stats = func() string { return "}" } }, "maximum", true},
		"text as value": {func(f *fakeAdmin) { f.stats = func() string { return `[{"name":"` + gaugeHTTP + `","value":"0"}]` } }, "maximum", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAdmin()
			c.spoil(f)
			socket, _ := f.serve(t)
			kv, _ := drained(t, socket, t.Context(), func(k *InboundConfig) { k.Max = func() time.Duration { return most } })
			if kv.Why != c.why || (f.polls.Load() > 0) != c.polls {
				t.Errorf("%v, %d polls", kv, f.polls.Load())
			}
		})
	}
}

func TestDrainEnvoyGone(t *testing.T) {
	f := newFakeAdmin()
	socket, gone := f.serve(t)
	f.stats = func() string { return `[{"name":"` + gaugeHTTP + `","value":5}]` }
	f.drain = func(http.ResponseWriter) { go gone() }
	kv, _ := drained(t, socket, t.Context(), func(*InboundConfig) {})
	if kv.Why != "envoy has gone" || kv.End != 0 {
		t.Errorf("got %v", kv)
	}
	kv, _ = drained(t, socket+"-never", t.Context(), func(*InboundConfig) {})
	if kv.Why != "envoy has gone" {
		t.Errorf("no socket: %v", kv)
	}
}

func TestDrainIsCutByContext(t *testing.T) {
	f := newFakeAdmin()
	f.stats = values(gaugeHTTP, 5)
	ctx, cancel := context.WithCancel(t.Context())
	f.drain = func(http.ResponseWriter) { cancel() }
	socket, _ := f.serve(t)
	kv, _ := drained(t, socket, ctx, func(*InboundConfig) {})
	if kv.Why != "cut" {
		t.Errorf("got %v", kv)
	}

	ctx, cancel = context.WithCancel(t.Context())
	kv, _ = drained(t, socket, ctx, func(c *InboundConfig) {
		c.Propagation = func() time.Duration { cancel(); return time.Hour } // await would give up before
	})
	if kv != (event.Drained{}) {
		t.Errorf("during propagation: %v", kv)
	}
}

func TestInboundAddsItsCheckUntilItSucceeds(t *testing.T) {
	f := newFakeAdmin()
	socket, _ := f.serve(t)
	tries, waits := 0, []string{}
	kv, _ := drained(t, socket, t.Context(), func(c *InboundConfig) {
		c.AddCheck = func(context.Context) error {
			if tries++; tries < 3 {
				return fmt.Errorf("try %d", tries)
			}
			return nil
		}
		report := c.Report
		c.Report = func(e event.Event) {
			report(e)
			switch e := e.(type) {
			case event.Waiting:
				waits = append(waits, e.Err)
			case event.WaitOver:
				waits = append(waits, "")
			}
		}
	})
	check(t, kv, 0, 0, "http", "empty")
	if got := fmt.Sprint(waits); got != "[try 1 try 2 ]" {
		t.Errorf("waits %q", got)
	}
}

func TestInboundStopsWhileItsCheckFails(t *testing.T) {
	f := newFakeAdmin()
	socket, _ := f.serve(t)
	stop, done := make(chan struct{}), make(chan struct{})
	u := NewInbound(InboundConfig{
		Admin: socket, Max: func() time.Duration { return patience },
		AddCheck: func(context.Context) error { return fmt.Errorf("no") },
	})
	go func() {
		defer close(done)
		_ = u.Run(t.Context(), func() { t.Error("ready") }, stop)
	}()
	close(stop)
	await(t, "end", done)
	if f.drains.Load() != 1 {
		t.Error("it was not drained: the listener is open whether the check was added or not")
	}
}
