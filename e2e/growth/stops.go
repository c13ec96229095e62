package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"meshtask/e2e/harness"
)

// slowCall is how long a request takes at the app: longer than the propagation
// wait, so that the drain has something to wait for.
const slowCall = 1500 * time.Millisecond

// young is how long after its start a task's stop would wait for the agent's own
// sync.
const young = 3500 * time.Millisecond

// stops measures the stop of a task against the requests that are in flight to it,
// through the Envoy of a task that calls it.
func stops(b *bench, t harness.T) section {
	stop, drain := newSeries("T0→T3", "ms"), newSeries("the drain of it", "ms")
	left, lost := newSeries("in flight when the drain begins", ""), newSeries("requests lost", "")
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	caller := b.prepare(t, server, "caller", "web")
	caller.config["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	web := b.begin(t, caller)
	risen(t, web)
	url := fmt.Sprintf("http://%s:9191/slow?ms=%d", caller.address, slowCall.Milliseconds())
	for _, size := range pick(b, []int{0, 100}, []int{0, 10, 100, 500}) {
		for round := range pick(b, 1, 3) {
			within(t, func(t harness.T) {
				k := b.prepare(t, server, fmt.Sprintf("api-%d-%d", size, round), "api")
				life := b.begin(t, k)
				life.Await(t, limit, "up", "", "step", "passing")
				server.Passing(t, limit, "api", 1)
				pause(t, young)
				c := call(t, url, size)
				s := end(t, life)
				failed := c.hangUp()
				stop.add(size, s.Marks.Down["T3"]-s.Marks.Down["T0"])
				drain.add(size, s.Drain.Ms)
				left.add(size, float64(s.Drain.Start))
				lost.add(size, float64(failed))
			})
		}
	}
	end(t, web)
	return section{
		title: "Requests in flight at a stop",
		about: fmt.Sprintf("A task is stopped while so many callers wait for its answer, each request %v long at the app, through the Envoy of\n"+
			"another task; no caller asks again once the stop has begun. In the stop are the propagation wait of a second and the\n"+
			"agent's leave.", slowCall),
		tables: []table{{size: "requests", series: []*series{stop, drain, left, lost}}},
		charts: []chart{{file: "benchmarks-stop.svg", title: "The stop against requests in flight", x: "requests in flight", y: "ms",
			lines: []line{{stop, "T0→T3 of the way down", false}, {drain, "", false}}}},
	}
}

// callers ask one URL, each again when it has been answered, until they hang up.
type callers struct {
	over   atomic.Bool
	failed atomic.Int64
	done   sync.WaitGroup
	client *http.Client
}

// call starts n callers and returns once each of them waits for an answer and has
// had one: connections are made, and the phases are spread.
func call(t harness.T, url string, n int) *callers {
	c := &callers{client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: n}}}
	t.Cleanup(func() { c.hangUp() })
	var answered atomic.Int64
	for i := range n {
		c.done.Go(func() {
			select {
			case <-time.After(slowCall * time.Duration(i) / time.Duration(n)):
			case <-t.Context().Done():
			}
			warm := false
			for !c.over.Load() && t.Context().Err() == nil {
				err := get(t.Context(), c.client, url)
				switch {
				case err != nil && warm:
					c.failed.Add(1)
				case err != nil:
					<-time.After(50 * time.Millisecond) // the caller's Envoy may not know the instance yet
				case !warm:
					warm = true
					answered.Add(1)
				}
			}
		})
	}
	harness.Eventually(t, limit, "an answer for each caller", func() error {
		if got := answered.Load(); got < int64(n) {
			return fmt.Errorf("%d of %d have one", got, n)
		}
		return nil
	})
	c.over.Store(true)
	return c
}

// hangUp waits for the last answers and tells how many requests failed.
func (c *callers) hangUp() int64 {
	c.over.Store(true)
	c.done.Wait()
	c.client.CloseIdleConnections()
	return c.failed.Load()
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}
