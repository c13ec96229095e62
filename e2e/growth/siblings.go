package main

import (
	"fmt"
	"strings"

	"meshtask/e2e/harness"
)

// siblings measures the start against the number of containers whose ECS health is
// synced; all are healthy from the start.
func siblings(b *bench, t harness.T) section {
	t2, hand := newSeries("T0→T2", "ms"), newSeries("by hand T0→T2", "ms")
	passing := newSeries("T2→checks passing", "ms")
	passing.why = "it follows the writes, which are linear, and a write takes no longer with more containers. What\n" +
		"one container takes is mostly the start's own, so that what is added to it looks bent."
	writes, rounds := newSeries("writes of checks until they pass", ""), newSeries("the same for each check", "")
	for _, size := range pick(b, []int{1, 10}, []int{1, 5, 10, 20}) {
		within(t, func(t harness.T) {
			server := harness.StartServer(t, harness.ServerConfig{})
			for round := range pick(b, 2, 5) {
				ours, floor, passed := b.turn(t, b.synced(t, server, size, round))
				t2.add(size, ours)
				hand.add(size, floor)
				passing.add(size, passed)
			}
			n := b.writes(t, b.synced(t, server, size, 99))
			writes.add(size, n)
			rounds.add(size, n/float64(size+1))
		})
	}
	return section{
		title: "Synced containers",
		about: "One task whose sibling containers (of a played task metadata endpoint, all healthy from the start) are synced to\n" +
			"checks of their own. The writes are those that the local agent has answered until the sidecar's check passed,\n" +
			"counted in its log by a run of their own.",
		tables: []table{{size: "containers", series: []*series{t2, hand, passing, writes, rounds}, ratios: []ratio{{"T0→T2 ÷ by hand", t2, hand, budget}}}},
		charts: []chart{{file: "benchmarks-siblings.svg", title: "The start against synced containers", x: "synced containers", y: "ms",
			lines: []line{{t2, "", false}, {hand, "", true}, {passing, "", false}}}},
	}
}

// synced is a task with so many healthy siblings.
func (b *bench) synced(t harness.T, server *harness.Server, size, round int) task {
	id := fmt.Sprintf("synced-%d-%d", size, round)
	k := b.prepare(t, server, id, "synced")
	endpoint := harness.StartEndpoint(t, id, "synced", k.address, "mesh")
	var names []string
	for i := range size {
		names = append(names, name("worker", i))
		endpoint.Set(names[i], "HEALTHY", nil)
	}
	k.config["healthSyncContainers"] = names
	k.env = []string{"ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI}
	return k
}

// writes counts the writes of checks at the agent, which tells its requests at
// debug level only.
func (b *bench) writes(t harness.T, k task) float64 {
	agent := k.config["consulAgent"].(map[string]any)
	agent["logLevel"] = "debug"
	life := b.begin(t, k)
	life.Await(t, limit, "up", "", "step", "passing")
	n := strings.Count(life.Output(), "method=PUT url=/v1/agent/check/update/")
	b.abandon(t, k, life)
	if n == 0 {
		t.Fatalf("the agent's log tells no write of a check:\n%s", life.Tail(40))
	}
	return float64(n)
}
