package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"meshtask/e2e/harness"
	"meshtask/e2e/load"
)

const (
	limit   = 30 * time.Second
	longURL = "/slow?ms=700"
	// slowStop is worth a line: twice what a stop takes under this load.
	slowStop = 2500 * time.Millisecond
	port     = 8080
)

// result is what one round has shown.
type result struct {
	requests int
	failures []load.Failure
	kinds    string
	late     int
	stops    []float64 // milliseconds from TERM to the exit, of each replacement
	median   time.Duration
}

func (r result) String() string {
	slices.Sort(r.stops)
	text := fmt.Sprintf("%6d requests, %d failed, %d stops of %.0f/%.0f/%.0f ms, median answer %.1f ms",
		r.requests, len(r.failures), len(r.stops), r.stops[0], r.stops[len(r.stops)/2], r.stops[len(r.stops)-1], float64(r.median.Microseconds())/1000)
	if r.late > r.requests/20 {
		text += fmt.Sprintf(", %d sent late", r.late)
	}
	if r.kinds != "" {
		text += " (" + r.kinds + ")"
	}
	return text
}

// mesh is the service under load in one round.
type mesh struct {
	harness.T
	round
	server  *harness.Server
	program string
	app     string
	serial  int
	serving []*harness.Task
}

// roll plays one round: replacements until the time is over, at least one.
func roll(t harness.T, r round, length time.Duration, cfg settings, random *rand.Rand) result {
	m := &mesh{T: t, round: r, program: harness.Plain(t), app: harness.App(t), server: harness.StartServer(t, harness.ServerConfig{})}
	m.server.HTTPServices(t)
	for range cfg.instances {
		m.add()
	}
	kinds := []bool{false}
	if r.timeline == agentless {
		kinds = []bool{false, true}
	}
	var downstreams []*harness.Task
	var loads []*load.Generator
	for _, without := range kinds {
		downstream, url := m.downstream(without)
		m.waitAnswering(url)
		downstreams = append(downstreams, downstream)
		loads = append(loads, load.Start(t.Context(), load.Config{URL: url + "/", LongURL: url + longURL, Rate: cfg.rate / len(kinds), NewConn: 50, Long: 3, Body: 32}))
	}
	var out result
	for end := time.Now().Add(length); len(out.stops) == 0 || time.Now().Before(end); {
		m.add()
		// At a random phase of all that runs by itself: pools, health, gossip.
		m.wait(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
		out.stops = append(out.stops, m.replaceOldest())
	}
	m.wait(500 * time.Millisecond) // what the last stop cost is still to come
	var report load.Report
	for _, g := range loads {
		one := g.Stop()
		report.Sent, report.Late = report.Sent+one.Sent, report.Late+one.Late
		report.Failures, report.Took = append(report.Failures, one.Failures...), append(report.Took, one.Took...)
	}
	out.requests, out.failures, out.kinds, out.late, out.median = report.Sent, report.Failures, report.Kinds(), report.Late, report.Median()
	for _, k := range append(m.serving, downstreams...) {
		m.end(k)
	}
	m.server.Empty(t, 3*time.Second)
	return out
}

// wait lets the load go on for d.
func (m *mesh) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-m.Context().Done():
		m.Fatalf("interrupted")
	}
}

// add starts one more instance and waits until the servers list it as passing.
func (m *mesh) add() {
	m.serial++
	name, address := fmt.Sprintf("api-%d", m.serial), harness.Address(m)
	config := harness.TaskDocument(address, name, "api", port, m.server)
	shutdown := map[string]any{"drain": map[string]any{"enabled": !m.noDrain}}
	config["shutdown"] = shutdown
	if m.timeline == agentless {
		harness.Agentless(config, m.server)
	} else {
		shutdown["agentLeave"] = m.timeline
	}
	k := harness.StartTask(m, harness.TaskConfig{Name: name, Binary: m.program, Config: config,
		CMD: []string{m.app, "--name", name, "--term", m.term, "--listen", fmt.Sprintf("%s:%d", address, port)}})
	k.Await(m, limit, "up", "", "step", "passing")
	m.serving = append(m.serving, k)
	m.server.Passing(m, limit, "api", len(m.serving))
}

// downstream starts the task whose Envoy is under load, with an agent or without, and returns
// the URL of its upstream.
func (m *mesh) downstream(without bool) (*harness.Task, string) {
	address, name := harness.Address(m), "web"
	if without {
		name += "-" + agentless
	}
	config := harness.TaskDocument(address, name, "web", port, m.server)
	if without {
		harness.Agentless(config, m.server)
	}
	config["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	config["envoy"] = map[string]any{"concurrency": 2}
	k := harness.StartTask(m, harness.TaskConfig{Name: name, Binary: m.program, Config: config,
		CMD: []string{m.app, "--name", name, "--listen", fmt.Sprintf("%s:%d", address, port)}})
	k.Mark(m, limit, "up", "T2")
	return k, fmt.Sprintf("http://%s:9191", address)
}

// waitAnswering waits until the service answers through the downstream Envoy.
func (m *mesh) waitAnswering(url string) {
	g := load.Start(m.Context(), load.Config{URL: url + "/", Rate: 50, NewConn: 100})
	harness.Eventually(m, limit, "20 good answers", func() error {
		sent, failed := g.Counts()
		if sent-failed < 20 {
			return fmt.Errorf("%d sent, %d failed", sent, failed)
		}
		return nil
	})
	g.Stop()
}

// replaceOldest ends the oldest instance and returns how long it took in ms.
func (m *mesh) replaceOldest() float64 {
	k := m.serving[0]
	m.serving = m.serving[1:]
	began := time.Now()
	m.end(k)
	took := time.Since(began)
	if took > slowStop {
		m.Logf("    %s took %v to stop: %s", k.Name, took.Round(time.Millisecond), m.way(k))
	}
	return float64(took.Microseconds()) / 1000
}

// way is what a task has recorded of its way down, in ms since its T0.
func (m *mesh) way(k *harness.Task) string {
	entries, err := k.Timeline()
	if err != nil {
		return err.Error()
	}
	zero, _ := harness.Find(entries, "down", "task", "mark", "T0")
	var steps []string
	for _, e := range entries {
		if e.Way == "down" {
			steps = append(steps, fmt.Sprintf("%.0f %s %s %s %v", e.Ms-zero.Ms, e.Unit, e.Event, e.Detail, e.Data))
		}
	}
	return strings.Join(steps, "; ")
}

func (m *mesh) end(k *harness.Task) {
	if err := k.Signal(syscall.SIGTERM); err != nil {
		m.Fatalf("%v", err)
	}
	code := k.Wait(m, 35*time.Second)
	s := k.Summary(m)
	if left := s.Left == "verified" || s.Left == "skipped"; code != 0 || !left || s.Deregistered != "verified" || len(s.Killed) > 0 {
		m.Fatalf("%s ended with %d, left %s, killed %v:\n%s", k.Name, code, s.Left+"/"+s.Deregistered, s.Killed, k.Tail(30))
	}
}
