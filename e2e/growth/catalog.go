package main

import (
	"fmt"

	"meshtask/e2e/harness"
)

// catalog measures the start against the services that the servers know.
func catalog(b *bench, t harness.T) section {
	t2, hand := newSeries("T0→T2", "ms"), newSeries("by hand T0→T2", "ms")
	passing := newSeries("T2→checks passing", "ms")
	server := harness.StartServer(t, harness.ServerConfig{})
	filled := 0
	for _, size := range pick(b, []int{10, 1000}, []int{10, 100, 1000, 5000}) {
		fill(t, server, fmt.Sprintf("other-%d", size), filled, size)
		filled = size
		for round := range pick(b, 2, 5) {
			within(t, func(t harness.T) {
				k := b.prepare(t, server, fmt.Sprintf("catalog-%d-%d", size, round), "floor")
				ours, floor, passed := b.turn(t, k)
				t2.add(size, ours)
				hand.add(size, floor)
				passing.add(size, passed)
			})
		}
	}
	return section{
		title: "Services in the catalog",
		about: "One task without upstreams, beside services of others that the server lists, 50 on a node.",
		tables: []table{{size: "services", series: []*series{t2, hand, passing},
			ratios: []ratio{{"T0→T2 ÷ by hand", t2, hand, budget}}}},
		charts: []chart{{file: "benchmarks-catalog.svg", title: "The start against services in the catalog", x: "services in the catalog", y: "ms", logX: true,
			lines: []line{{t2, "", false}, {hand, "", true}, {passing, "", false}}}},
	}
}
