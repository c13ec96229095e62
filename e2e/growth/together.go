package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"meshtask/e2e/harness"
)

// together measures tasks that start at once on this machine.
func together(b *bench, t harness.T) section {
	t2, slowest := newSeries("T0→T2, median of the tasks", "ms"), newSeries("T0→T2, slowest", "ms")
	hand, handSlowest := newSeries("by hand, median", "ms"), newSeries("by hand, slowest", "ms")
	for _, s := range []*series{t2, slowest, hand, handSlowest} {
		s.why = fmt.Sprintf("%d CPUs are what all of them start on; a start keeps about one busy, so that what is added begins with the\n"+
			"task that finds none free. The steps by hand grow alike.", runtime.NumCPU())
	}
	for _, size := range pick(b, []int{1, 5}, []int{1, 2, 5, 10}) {
		for round := range pick(b, 1, 3) {
			within(t, func(t harness.T) {
				server := harness.StartServer(t, harness.ServerConfig{})
				var tasks []task
				for i := range size {
					tasks = append(tasks, b.prepare(t, server, fmt.Sprintf("together-%d-%d-%d", size, round, i), "floor"))
				}
				ours := b.atOnce(t, tasks)
				t2.add(size, median(ours))
				slowest.add(size, slices.Max(ours))
				floor := b.handsAtOnce(t, tasks)
				hand.add(size, median(floor))
				handSlowest.add(size, slices.Max(floor))
			})
		}
	}
	return section{
		title: "Tasks that start at once",
		about: "Tasks started in one moment on this machine, each with an agent, an Envoy and an app of its own.",
		tables: []table{{size: "tasks", series: []*series{t2, slowest, hand, handSlowest},
			ratios: []ratio{{"median ÷ by hand", t2, hand, 0}, {"slowest ÷ by hand", slowest, handSlowest, 0}}}},
		charts: []chart{{file: "benchmarks-together.svg", title: "Tasks that start at once", x: "tasks", y: "T0→T2, ms",
			lines: []line{{t2, "median", false}, {hand, "", true}, {slowest, "slowest", false}, {handSlowest, "", true}}}},
	}
}

// atOnce starts all tasks, ends them, and gives T0→T2 of each.
func (b *bench) atOnce(t harness.T, tasks []task) (all []float64) {
	var lives []*harness.Task
	for _, k := range tasks {
		lives = append(lives, b.begin(t, k))
	}
	for _, life := range lives {
		all = append(all, risen(t, life).t2)
	}
	for _, life := range lives {
		life.Await(t, limit, "up", "", "step", "passing")
	}
	for i, life := range lives {
		b.abandon(t, tasks[i], life)
	}
	return all
}

// handsAtOnce is the same by hand. None of them is ended before all are up, as
// none of meshtask's is.
func (b *bench) handsAtOnce(t harness.T, tasks []task) []float64 {
	all, errs := make([]float64, len(tasks)), make([]error, len(tasks))
	var wg, rising sync.WaitGroup
	rising.Add(len(tasks))
	for i, k := range tasks {
		wg.Go(func() {
			done := sync.OnceFunc(rising.Done)
			defer done()
			var way up
			way, errs[i] = b.hand(t, k, slowly, func() {
				done()
				rising.Wait()
			})
			all[i] = way.t2
		})
	}
	wg.Wait()
	for i := range errs {
		if errs[i] != nil || all[i] == 0 {
			t.Fatalf("by hand, task %d of %d: %v", i+1, len(tasks), errs[i])
		}
	}
	return all
}
