package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"meshtask/e2e/harness"
)

// task is one of the three, with where its app and its upstream listen.
type task struct {
	*harness.Task
	name, app, upstream string
	agentless           bool
}

const limit = 20 * time.Second

// task starts a meshtask with an address of its own and waits until the servers
// list it as passing. upstream is the local port of web's upstream to api.
func (d *demo) task(name, service string, upstream int, agentless bool) task {
	address := harness.NearAddress(d)
	config := harness.TaskDocument(address, name, service, 8080, d.consul)
	config["app"] = map[string]any{"ready": map[string]any{"http": "http://" + address + ":8080/healthz"}}
	k := task{name: name, app: "http://" + address + ":8080", agentless: agentless}
	if agentless {
		harness.Agentless(config, d.consul)
	}
	if upstream != 0 {
		k.upstream = fmt.Sprintf("http://%s:%d", address, upstream)
		config["proxy"] = map[string]any{"upstreams": []any{
			map[string]any{"destinationName": "api", "localBindPort": upstream}}}
	}
	k.Task = harness.StartTask(d, harness.TaskConfig{Name: name, Binary: d.program, Config: config,
		CMD: []string{d.app, "--name", name, "--listen", address + ":8080", "--upstream", k.upstream}})
	k.Mark(d, limit, "up", "T2")
	k.Await(d, limit, "up", "", "step", "passing")
	instances := 1
	if name == "api-2" {
		instances = 2
	}
	d.consul.Passing(d, limit, service, instances)
	d.line(name, d.up(k), "")
	return k
}

// up is the way up in ms since T0.
func (d *demo) up(k task) string {
	return d.marks(k, "up", []point{{"T0", "task", "mark", "T0"}, {"joined", "", "step", "joined"}, {"registered", "", "step", "registered"},
		{"T1", "task", "mark", "T1"}, {"listener", "", "step", "listener"}, {"T2", "task", "mark", "T2"}, {"passing", "", "step", "passing"}})
}

// down is the way down in ms since T0.
func (d *demo) down(k task) string {
	return d.marks(k, "down", []point{{"T0", "task", "mark", "T0"}, {"critical", "", "step", "critical"}, {"removed", "", "step", "removed"},
		{"drained", "", "step", "drained"}, {"app ended", "app", "ended", ""}, {"T1", "task", "mark", "T1"}, {"left", "", "step", "left"},
		{"T2", "task", "mark", "T2"}, {"T3", "task", "mark", "T3"}})
}

// point is an entry of the timeline to print under a label.
type point struct{ label, unit, event, detail string }

// sideBySide compares two starts, of a task with an agent and of one without.
func (d *demo) sideBySide(with, without task) {
	start := func(k task) float64 { return k.Mark(d, limit, "up", "T2").Ms - k.Mark(d, limit, "up", "T0").Ms }
	d.line("start", fmt.Sprintf("T0→T2 with a Consul agent %.0f ms (%s) · without one %.0f ms (%s)", start(with), with.name, start(without), without.name), "")
}

// marks prints points of one way; one that is missing is told and counted. A task without an
// agent joins nothing and leaves nothing.
func (d *demo) marks(k task, way string, points []point) string {
	entries, err := k.Timeline()
	if err != nil {
		d.Fatalf("%v", err)
	}
	zero, _ := harness.Find(entries, way, "task", "mark", "T0")
	var out []string
	for _, p := range points {
		if k.agentless && (p.label == "joined" || p.label == "left" || way == "down" && p.label == "T2") {
			continue
		}
		e, ok := harness.Find(entries, way, p.unit, p.event, p.detail)
		if !ok {
			out = append(out, p.label+" MISSING")
			d.broken++
			continue
		}
		out = append(out, fmt.Sprintf("%s %.0f", p.label, e.Ms-zero.Ms))
	}
	return strings.Join(out, "   ") + " ms"
}

// end sends TERM to all at once and waits for their ends.
func (d *demo) end(tasks ...task) {
	for _, k := range tasks {
		if err := k.Signal(syscall.SIGTERM); err != nil {
			d.Fatalf("%v", err)
		}
	}
	for _, k := range tasks {
		k.Wait(d, 35*time.Second)
	}
}

// ended prints the way down of a task that has ended.
func (d *demo) ended(k task) {
	code, s := k.Wait(d, time.Second), k.Summary(d)
	verdict := fmt.Sprintf("exit %d", code)
	left := map[bool]string{true: "skipped", false: "verified"}[k.agentless]
	if code != 0 || s.Left != left || s.Deregistered != "verified" || len(s.Killed) > 0 {
		verdict = fmt.Sprintf("NOT OK: exit %d, deregistered %s, left %s, killed %v", code, s.Deregistered, s.Left, s.Killed)
		d.broken++
	}
	d.line(k.name, d.down(k)+"   "+verdict, "")
}

// draw has the lives of tasks drawn, in the repository's .demo.
func (d *demo) draw(tasks ...task) {
	dir := filepath.Join(harness.Root(d), ".demo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		d.Fatalf("%v", err)
	}
	var drawn []string
	for _, k := range tasks {
		file := filepath.Join(dir, k.name+".svg")
		if out, err := exec.CommandContext(d.Context(), d.program, "timeline", "--dir", k.Dir, "--svg", file).CombinedOutput(); err != nil {
			d.Fatalf("draw %s: %v: %s", k.name, err, out)
		}
		drawn = append(drawn, filepath.Join(".demo", k.name+".svg"))
	}
	fmt.Fprintln(d.out, "timeline drawings: "+strings.Join(drawn, " "))
}
