// Command growth measures, on the real Consul and Envoy, how the times and the
// memory of meshtask grow: with the upstreams of a task, its synced containers,
// the services in the catalog, the tasks that start at once, the requests in
// flight at a stop, and the tasks that a controller looks after. Where the same
// steps can be played by hand they are, in turns with meshtask's, so that the
// ratio says more than the machine does. A whole run writes docs/benchmarks.md and
// its plots; a quick one, or one of single sections, prints what it has found.
//
// It knows the contract (config, marks, files, metrics) and nothing of the
// packages.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"meshtask/e2e/harness"
)

// chapter is a section that can be asked for by name.
type chapter struct {
	key     string
	measure func(b *bench, t harness.T) section
}

func chapters() []chapter {
	return []chapter{
		{"upstreams", upstreams}, {"agentless", agentless}, {"siblings", siblings}, {"catalog", catalog},
		{"together", together}, {"stop", stops}, {"controller", controllers},
	}
}

func keys() (all []string) {
	for _, c := range chapters() {
		all = append(all, c.key)
	}
	return all
}

func main() {
	quick := flag.Bool("quick", false, "few sizes and rounds: to try the program, not for figures")
	only := flag.String("only", "", "sections, with commas between: "+strings.Join(keys(), ","))
	out := flag.String("o", "", "folder for the page and its plots (a whole run: docs; else nothing is written)")
	flag.Parse()
	wanted, err := choose(*only)
	if err != nil || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "growth:", err)
		flag.Usage()
		os.Exit(2)
	}
	whole := !*quick && len(wanted) == len(chapters())
	os.Exit(harness.Perform(os.Stdout, func(t harness.T) { play(t, wanted, *quick, whole, *out) }))
}

// choose finds the sections of a list; an empty one is all.
func choose(list string) ([]chapter, error) {
	if list == "" {
		return chapters(), nil
	}
	var wanted []chapter
	for key := range strings.SplitSeq(list, ",") {
		i := slices.Index(keys(), key)
		if i < 0 {
			return nil, fmt.Errorf("no section %q: there are %s", key, strings.Join(keys(), ", "))
		}
		wanted = append(wanted, chapters()[i])
	}
	return wanted, nil
}
