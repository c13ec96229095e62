package envoy

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/testbed/envoyfake"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/faulty"
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
	eventually.Get(t, "ready", ready)
	began := time.Now()
	close(stop)
	eventually.Get(t, "end", done)
	return d, time.Since(began)
}

// values gives one gauge's value after the other, then the last for ever.
func values(all ...int) func() map[string]any {
	var n atomic.Int32
	return func() map[string]any {
		return map[string]any{gaugeHTTP: all[min(int(n.Add(1)), len(all))-1], gaugeTCP: 7}
	}
}

func gauges(all map[string]any) func() map[string]any {
	return func() map[string]any { return all }
}

const drainCall = "POST /drain_listeners"

func check(t *testing.T, d event.Drained, start, end int64, protocol, why string) {
	t.Helper()
	if d.Start != start || d.End != end || d.Protocol != protocol || d.Why != why {
		t.Errorf("drained %+v, want start %d end %d protocol %s why %s", d, start, end, protocol, why)
	}
}

func TestDrainWaitsForTwoZerosInARow(t *testing.T) {
	f := envoyfake.New()
	f.Stats = values(3, 2, 0, 1, 0, 0)
	socket, _ := serve(t, f)
	kv, _ := drained(t, socket, t.Context(), func(*InboundConfig) {})
	check(t, kv, 3, 0, "http", "empty")
	drains := f.Calls(drainCall)
	if polls := f.Count("GET /stats"); polls != 6 || len(drains) != 1 || drains[0].Query != "inboundonly&graceful&skip_exit" {
		t.Errorf("%d polls, drain calls %v", polls, drains)
	}
}

func TestDrainTCP(t *testing.T) {
	f := envoyfake.New()
	f.Stats = gauges(map[string]any{gaugeTCP: 2})
	socket, _ := serve(t, f)
	const limit = 150 * time.Millisecond
	kv, took := drained(t, socket, t.Context(), func(c *InboundConfig) { c.Max = func() time.Duration { return limit } })
	check(t, kv, 2, 2, "tcp", "maximum")
	if took < limit {
		t.Errorf("took %v of %v", took, limit)
	}
}

// A poll that the end of the drain cuts does not make unknown what the one before has seen.
func TestDrainKeepsWhatItHasSeen(t *testing.T) {
	f := envoyfake.New()
	var looks atomic.Int32
	over := make(chan struct{})
	f.Stats = func() map[string]any {
		if looks.Add(1) > 2 {
			<-over
		}
		return map[string]any{gaugeHTTP: 3}
	}
	socket, _ := serve(t, f)
	t.Cleanup(func() { close(over) })
	var log bytes.Buffer
	d, _ := drained(t, socket, t.Context(), func(c *InboundConfig) {
		c.Max = func() time.Duration { return 10 * pollDrain }
		c.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
	})
	check(t, d, 3, 3, "http", "maximum")
	if !strings.Contains(log.String(), "with work in flight, which will be cut: left=3") {
		t.Errorf("it says:\n%s", log.String())
	}
}

func TestDrainKeepsItsTimes(t *testing.T) {
	f := envoyfake.New()
	socket, _ := serve(t, f)
	const propagation, minimum = 120 * time.Millisecond, 200 * time.Millisecond
	began := time.Now()
	kv, took := drained(t, socket, t.Context(), func(c *InboundConfig) {
		c.Propagation = func() time.Duration { return propagation }
		c.Min = func() time.Duration { return minimum }
	})
	check(t, kv, 0, 0, "http", "empty")
	if wait := f.Calls(drainCall)[0].At.Sub(began); wait < propagation {
		t.Errorf("drain call after %v, propagation is %v", wait, propagation)
	}
	if took < propagation+minimum {
		t.Errorf("took %v", took)
	}
}

// coming has a request come with each look, until they have been some; nothing is ever in flight.
func coming(some int) (stats func() map[string]any, looks func() int) {
	var n atomic.Int32
	return func() map[string]any {
		return map[string]any{gaugeHTTP: 0, workHTTP + total: min(int(n.Add(1)), some)}
	}, func() int { return int(n.Load()) }
}

// Clients that have not heard by the end of the propagation are served until they have.
func TestDrainWaitsUntilNothingComes(t *testing.T) {
	f := envoyfake.New()
	const some = 40 // pollDrain apart at least, and so more than two quietTimes
	stats, looks := coming(some)
	f.Stats = stats
	socket, _ := serve(t, f)
	d, took := drained(t, socket, t.Context(), func(c *InboundConfig) { c.Propagation = func() time.Duration { return quietTime } })
	check(t, d, 0, 0, "http", "empty")
	if took < some*pollDrain+quietTime || looks() < some {
		t.Errorf("it was over after %v and %d looks", took, looks())
	}
}

// What has come before, and nothing since, costs no time.
func TestDrainDoesNotWaitForWhatHasCome(t *testing.T) {
	f := envoyfake.New()
	f.Stats = gauges(map[string]any{gaugeHTTP: 0, workHTTP + total: 7})
	socket, _ := serve(t, f)
	began := time.Now()
	d, _ := drained(t, socket, t.Context(), func(c *InboundConfig) { c.Propagation = func() time.Duration { return quietTime } })
	check(t, d, 0, 0, "http", "empty")
	call := f.Calls(drainCall)[0].At
	after := 0 // looks after the drain call, of which two see nothing
	for _, look := range f.Calls("GET /stats") {
		if look.At.After(call) {
			after++
		}
	}
	if after != 2 || call.Sub(began) < quietTime {
		t.Errorf("%d looks after the drain call, which came after %v", after, call.Sub(began))
	}
}

// Without a propagation wait nobody is waited for either, and a client that never hears has an end.
func TestDrainDoesNotWaitForClientsThatNeverHear(t *testing.T) {
	for name, c := range map[string]struct {
		propagation, limit time.Duration
		why                string
	}{"no propagation": {0, patience, "empty"}, "maximum": {quietTime, quietTime, "maximum"}} {
		f := envoyfake.New()
		f.Stats, _ = coming(1 << 30)
		socket, _ := serve(t, f)
		d, _ := drained(t, socket, t.Context(), func(k *InboundConfig) {
			k.Propagation, k.Max = func() time.Duration { return c.propagation }, func() time.Duration { return c.limit }
		})
		if d.Why != c.why || d.End != 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestDrainDisabledOrWithoutBudget(t *testing.T) {
	f := envoyfake.New()
	socket, _ := serve(t, f)
	for name, change := range map[string]func(*InboundConfig){
		"disabled": func(c *InboundConfig) {
			c.Disabled = true
			c.Propagation = func() time.Duration { return time.Hour } // await would give up before
		},
		"no budget": func(c *InboundConfig) { c.Max = nil },
	} {
		if kv, _ := drained(t, socket, t.Context(), change); kv != (event.Drained{}) || f.Count(drainCall) != 0 {
			t.Errorf("%s: %v, %d calls", name, kv, f.Count(drainCall))
		}
	}
}

// The faults of the admin interface: a stop goes on with each of them.
func TestDrainFaults(t *testing.T) {
	const limit = 300 * time.Millisecond
	for name, c := range map[string]struct {
		path  string
		fault faulty.Fault
		stats func() map[string]any
		why   string
		polls bool
	}{
		"drain answers 500": {path: "/drain_listeners", fault: faulty.Answer(http.StatusInternalServerError, "no"), why: "empty", polls: true},
		"drain hangs":       {path: "/drain_listeners", fault: faulty.Fault{Hang: true}, why: "maximum"},
		"poll hangs":        {path: "/stats", fault: faulty.Fault{Hang: true}, why: "maximum", polls: true},
		"no JSON":           {path: "/stats", fault: faulty.Answer(http.StatusOK, `{"stats":}`), why: "maximum", polls: true},
		"gauge absent":      {stats: gauges(nil), why: "maximum", polls: true},
		"text as value":     {stats: gauges(map[string]any{gaugeHTTP: "0"}), why: "maximum", polls: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := envoyfake.New()
			if f.Fail(c.path, c.fault); c.stats != nil {
				f.Stats = c.stats
			}
			socket, _ := serve(t, f)
			kv, _ := drained(t, socket, t.Context(), func(k *InboundConfig) { k.Max = func() time.Duration { return limit } })
			if kv.Why != c.why || (f.Count("GET /stats") > 0) != c.polls {
				t.Errorf("%v, %d polls", kv, f.Count("GET /stats"))
			}
		})
	}
}

func TestDrainEnvoyGone(t *testing.T) {
	f := envoyfake.New()
	socket, gone := serve(t, f)
	f.Stats = gauges(map[string]any{gaugeHTTP: 5})
	f.Fail("/drain_listeners", faulty.Fault{Do: func() { go gone() }})
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
	f := envoyfake.New()
	f.Stats = values(5)
	ctx, cancel := context.WithCancel(t.Context())
	f.Fail("/drain_listeners", faulty.Fault{Do: cancel})
	socket, _ := serve(t, f)
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
	f := envoyfake.New()
	socket, _ := serve(t, f)
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
	f := envoyfake.New()
	socket, _ := serve(t, f)
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
	eventually.Get(t, "end", done)
	if f.Count(drainCall) != 1 {
		t.Error("it was not drained: the listener is open whether the check was added or not")
	}
}
