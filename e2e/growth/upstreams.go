package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// The polls of the steps by hand: one that is easy on Envoy's main thread, which
// answers between two clusters, and one that sees the end at once.
const (
	slowly  = 10 * time.Millisecond
	quickly = 2 * time.Millisecond
)

// atRestAfter is how long after its checks pass a task has given back what only its
// start needed.
const atRestAfter = 300 * time.Millisecond

// The budgets of DESIGN §4.
const (
	budget       = 1.1 // of T0→T2 by hand
	memoryAtRest = 16  // MB
	cpuAtRest    = 0.1 // % of a core
)

// starts are the figures of tasks with one bootstrap document.
type starts struct {
	title, label           string
	whole                  bool
	t1, rest, t2           *series
	handT1, handRest, hand *series
	handQuick              *series
	envoy, peak, atRest    *series
	idle, idleAgent        *series
	idleEnvoy              *series
}

func newStarts(title, label string, whole bool) *starts {
	s := &starts{title: title, label: label, whole: whole}
	for _, m := range []struct {
		to         **series
		name, unit string
	}{
		{&s.t1, "T0→T1", "ms"}, {&s.rest, "T1→T2", "ms"}, {&s.t2, "T0→T2", "ms"},
		{&s.handT1, "by hand T0→T1", "ms"}, {&s.handRest, "by hand T1→T2", "ms"}, {&s.hand, "by hand T0→T2", "ms"},
		{&s.handQuick, "by hand T0→T2, polling every 2 ms", "ms"},
		{&s.envoy, "Envoy's peak, " + label, "MB"}, {&s.peak, "meshtask's peak, " + label, "MB"}, {&s.atRest, "meshtask at rest, " + label, "MB"},
		{&s.idle, "meshtask's CPU at rest", "% of a core"}, {&s.idleAgent, "the agent's", "% of a core"}, {&s.idleEnvoy, "Envoy's", "% of a core"},
	} {
		*m.to = newSeries(m.name, m.unit)
	}
	s.atRest.most, s.idle.most = memoryAtRest, cpuAtRest
	return s
}

// upstreams measures the start and the memory against the number of upstreams,
// with both bootstrap documents.
func upstreams(b *bench, t harness.T) section {
	sizes := pick(b, []int{1, 20}, []int{1, 20, 50, 100, 200})
	auto := newStarts("The default document", "default document", false)
	whole := newStarts("Consul's whole document (`envoy.statsTags: true`)", "whole document", true)
	for _, size := range sizes {
		within(t, func(t harness.T) {
			server := harness.StartServer(t, harness.ServerConfig{})
			server.HTTPServices(t)
			fill(t, server, "upstream", 0, size)
			for round := range pick(b, 2, 5) {
				b.oneStart(t, server, auto, size, round)
				if round < b.wholeRounds(size) {
					b.oneStart(t, server, whole, size, round)
				}
			}
		})
	}
	return section{
		title: "Upstreams",
		about: "One task with 1 to 200 upstreams, each an http service with one instance in the catalog. Peak memory is of the\n" +
			"start; \"at rest\" is a moment after the checks have passed, and the CPU that of the 30 s that follow. The steps by\n" +
			"hand poll every 10 ms where nothing else is said. Where the machine is a virtual one, to wake up may cost milliseconds:\n" +
			"the agent's and Envoy's CPU are of the same seconds.",
		tables: []table{auto.table(), whole.table(), {title: "Memory, and CPU at rest", size: "upstreams",
			series: []*series{auto.envoy, whole.envoy, auto.peak, whole.peak, auto.atRest, whole.atRest, auto.idle, auto.idleAgent, auto.idleEnvoy}}},
		charts: []chart{
			{file: "benchmarks-upstreams.svg", title: "T0→T2 against upstreams", x: "upstreams", y: "T0→T2, ms", logX: true, logY: true, lines: []line{
				{whole.t2, whole.label, false}, {whole.hand, "whole, by hand", true},
				{auto.t2, auto.label, false}, {auto.hand, "default, by hand", true}}},
			{file: "benchmarks-memory.svg", title: "Memory against upstreams", x: "upstreams", y: "memory, MB", lines: []line{
				{whole.envoy, "", false}, {auto.envoy, "", false}, {auto.peak, "", false}, {auto.atRest, "", false}}},
		},
	}
}

// wholeRounds are fewer than the default's: a start of 200 upstreams takes 20 s.
func (b *bench) wholeRounds(size int) int {
	switch {
	case b.quick:
		return 1
	case size <= 20:
		return 3
	}
	return 2
}

// table has the times.
func (s *starts) table() table {
	return table{title: s.title, size: "upstreams",
		series: []*series{s.t1, s.rest, s.t2, s.handT1, s.handRest, s.hand, s.handQuick},
		ratios: []ratio{{"T0→T1 ÷ by hand", s.t1, s.handT1, 0}, {"T1→T2 ÷ by hand", s.rest, s.handRest, 0},
			{"T0→T2 ÷ by hand", s.t2, s.hand, budget}, {"÷ polling every 2 ms", s.t2, s.handQuick, 0}}}
}

// oneStart is a start by meshtask and one by hand of the same task; where the
// document is the quick one, also one that polls quickly.
func (b *bench) oneStart(t harness.T, server *harness.Server, s *starts, size, round int) {
	within(t, func(t harness.T) {
		k := b.upstreamTask(t, server, fmt.Sprintf("%.5s-%d-%d", s.label, size, round), size)
		if s.whole {
			k.config["envoy"] = map[string]any{"statsTags": true}
		}
		life := b.begin(t, k)
		ours := risen(t, life)
		s.t1.add(size, ours.t1)
		s.rest.add(size, ours.t2-ours.t1)
		s.t2.add(size, ours.t2)
		life.Await(t, limit, "up", "", "step", "passing")
		pause(t, atRestAfter)
		s.envoy.add(size, megabytes(t, child(t, life, "envoy"), "VmHWM"))
		s.peak.add(size, megabytes(t, life.PID, "VmHWM"))
		s.atRest.add(size, megabytes(t, life.PID, "VmRSS"))
		if round == 0 && !s.whole {
			idle := b.idle(t, life.PID, child(t, life, "consul-agent"), child(t, life, "envoy"))
			s.idle.add(size, idle[0])
			s.idleAgent.add(size, idle[1])
			s.idleEnvoy.add(size, idle[2])
		}
		b.abandon(t, k, life)

		hand, err := b.hand(t, k, slowly, alone)
		if err != nil {
			t.Fatalf("%v", err)
		}
		s.handT1.add(size, hand.t1)
		s.handRest.add(size, hand.t2-hand.t1)
		s.hand.add(size, hand.t2)
		if s.whole {
			return
		}
		if hand, err = b.hand(t, k, quickly, alone); err != nil {
			t.Fatalf("%v", err)
		}
		s.handQuick.add(size, hand.t2)
	})
}

// idle is what each of some processes takes of a core, in %, while nobody calls the app and nothing changes.
func (b *bench) idle(t harness.T, pids ...int) (share []float64) {
	look := func() (all []float64) {
		for _, pid := range pids {
			ms, err := cpu(pid)
			if err != nil {
				t.Fatalf("%v", err)
			}
			all = append(all, ms)
		}
		return all
	}
	began, before := time.Now(), look()
	pause(t, pick(b, 5*time.Second, 30*time.Second))
	for i, after := range look() {
		share = append(share, 100*(after-before[i])/float64(time.Since(began).Milliseconds()))
	}
	return share
}

// name is the i-th service of a kind.
func name(kind string, i int) string { return fmt.Sprintf("%s-%04d", kind, i) }

// A transaction takes at most 128 operations.
const perNode = 50

// fill registers services from to below to, 50 on a node of their own, each with
// one instance that is reached without a sidecar.
func fill(t harness.T, server *harness.Server, kind string, from, to int) {
	for first := from; first < to; first += perNode {
		node := name(kind+"-node", first/perNode)
		ops := api.TxnOps{{Node: &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: node, Address: "127.0.0.1"}}}}
		for i := first; i < min(first+perNode, to); i++ {
			ops = append(ops, &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: node, Service: api.AgentService{
				ID: name(kind, i), Service: name(kind, i), Port: 9, Address: "127.0.0.1", Connect: &api.AgentServiceConnect{Native: true}}}})
		}
		ok, answer, _, err := server.API.Txn().Txn(ops, nil)
		if err != nil {
			t.Fatalf("fill the catalog: %v", err)
		}
		if !ok {
			t.Fatalf("fill the catalog: %s", answer.Errors[0].What)
		}
	}
}
