// Command soak replaces the instances of a service one by one, for as long as it
// is told, while a downstream Envoy is under load, and fails on one lost request.
// It plays every timeline, with an app that finishes what it has and one that dies
// at once on TERM. Then it plays the same without drain: that must lose requests,
// or the soak could not have seen any and says so.
package main

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"meshtask/e2e/harness"
)

// round is one way of stopping to be soaked.
type round struct {
	timeline string // shutdown.agentLeave: last or first; or agentless, loaded by tasks of both kinds
	term     string // what the app does on TERM: finish or exit
	noDrain  bool
}

func (r round) String() string {
	name := map[string]string{"last": "documented", "first": "agent-first", agentless: "agentless"}[r.timeline]
	if r.noDrain {
		name += ", no drain"
	}
	return name + map[string]string{"exit": ", app dies at once", "finish": ", app finishes"}[r.term]
}

// agentless is the timeline without a client agent.
const agentless = "agentless"

type settings struct {
	rate, instances int
	seed            uint64
}

func main() {
	total := flag.Duration("for", time.Minute, "whole time under load")
	cfg := settings{}
	flag.IntVar(&cfg.rate, "rate", 300, "requests a second")
	flag.IntVar(&cfg.instances, "instances", 2, "instances of the service")
	flag.Uint64Var(&cfg.seed, "seed", uint64(time.Now().UnixNano()), "of the phases at which instances are replaced")
	only := flag.String("timeline", "", "that one alone: last, first or "+agentless)
	flag.Parse()
	if flag.NArg() > 0 || !slices.Contains([]string{"", "last", "first", agentless}, *only) || *total <= 0 || cfg.rate < 1 || cfg.instances < 1 {
		flag.Usage()
		os.Exit(2)
	}
	os.Exit(harness.Perform(os.Stdout, func(t harness.T) { play(t, *total, *only, cfg) }))
}

func play(t harness.T, total time.Duration, only string, cfg settings) {
	rounds := []round{
		{"last", "exit", false}, {"first", "exit", false}, {agentless, "exit", false},
		{"last", "finish", false}, {"first", "finish", false}, {agentless, "finish", false},
		{cmp.Or(only, "last"), "exit", true},
	}
	rounds = slices.DeleteFunc(rounds, func(r round) bool { return only != "" && r.timeline != only })
	t.Logf("soak: %d requests a second, half on new connections, 3 in 100 long; %d instances; seed %d", cfg.rate, cfg.instances, cfg.seed)
	random := rand.New(rand.NewPCG(cfg.seed, 0))
	share := total / time.Duration(len(rounds))
	requests, lost := 0, 0
	for _, r := range rounds {
		result := roll(t, r, share, cfg, random)
		t.Logf("%-46s %s", r, result)
		for i, f := range result.failures {
			if i < 5 && !r.noDrain {
				t.Logf("    %s %s after %v: %s", f.At.Format("15:04:05.000"), f.Kind, f.Took.Round(time.Millisecond), f.Err)
			}
		}
		switch {
		case r.noDrain && len(result.failures) == 0:
			t.Fatalf("the soak is broken: without drain it lost nothing in %d stops, so it cannot see a loss", len(result.stops))
		case r.noDrain:
		default:
			requests += result.requests
			lost += len(result.failures)
		}
	}
	if lost > 0 {
		t.Fatalf("%d of %d requests were lost", lost, requests)
	}
	t.Logf("0 of %d requests were lost", requests)
}
