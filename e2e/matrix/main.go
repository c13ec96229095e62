// Command matrix runs what the tests run on one pair of Consul and Envoy on every pair of a
// list: a life that is measured beside the same of the pinned pair, chosen tests, the tests of
// the parts, the soak. What it has seen is kept in e2e/matrix/results.json, and docs/versions.md
// is written from that, so a run of some cells leaves the others as they were.
//
// The parts come from a folder (tools/matrix.sh makes it): consul-VERSION and envoy-VERSION.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

// choice is what a run was asked for.
type choice struct {
	consuls, envoys, servers []string
	what                     []string
	soak                     time.Duration
	rounds                   int
	dir                      string
	corners, fresh           bool
}

func main() {
	var c choice
	list := func(to *[]string) func(string) error {
		return func(s string) error { *to = strings.Split(s, ","); return nil }
	}
	flag.Func("consul", "versions of Consul, with commas between (default: all of the folder)", list(&c.consuls))
	flag.Func("envoy", "versions of Envoy (default: all of the folder)", list(&c.envoys))
	flag.Func("server", "versions of the servers, where they are to be others than the agents'", list(&c.servers))
	flag.Func("what", "what to run: "+strings.Join(names(), ",")+" (default: all)", list(&c.what))
	flag.DurationVar(&c.soak, "soak", time.Minute, "length of the soak of a cell")
	flag.IntVar(&c.rounds, "rounds", 5, "measured lives of a cell, in turns with the pinned pair")
	flag.StringVar(&c.dir, "dir", "", "folder of the parts (default: .tools/matrix)")
	flag.BoolVar(&c.corners, "corners", false, "only the oldest and newest of each side")
	flag.BoolVar(&c.fresh, "fresh", false, "forget the results of earlier runs")
	page := flag.Bool("page", false, "write docs/versions.md from the results, and run nothing")
	life := flag.Bool("life", false, "play one life and print its figures: what a cell runs")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	os.Exit(harness.Perform(os.Stdout, func(t harness.T) {
		switch {
		case *life:
			playLife(t)
		case *page:
			write(t, load(t))
		default:
			play(t, c)
		}
	}))
}

func play(t harness.T, c choice) {
	if c.dir == "" {
		c.dir = filepath.Join(harness.Root(t), ".tools", "matrix")
	}
	for _, name := range c.what {
		if !slices.Contains(names(), name) {
			t.Fatalf("there is no %q: there are %s", name, strings.Join(names(), ", "))
		}
	}
	cells := c.cells(t)
	b := newBench(t, c)
	results := load(t)
	if c.fresh {
		results = &record{}
	}
	failed := 0
	for i, cell := range cells {
		for _, s := range steps() {
			if len(c.what) > 0 && !slices.Contains(c.what, s.name) || t.Context().Err() != nil {
				continue
			}
			r := b.run(t, cell, s)
			if t.Context().Err() != nil {
				return // cut short, so not a result
			}
			t.Logf("%d/%d %-40s %-10s %s", i+1, len(cells), cell, s.name, r)
			if !r.OK {
				failed++
			}
			results.put(cell, s.name, r)
			results.save(t)
		}
	}
	write(t, results)
	if failed > 0 {
		t.Fatalf("%d of the runs failed: docs/versions.md names them", failed)
	}
}

// cells are the pairs to run, those of the folder by default.
func (c choice) cells(t harness.T) (cells []cell) {
	consuls, envoys := c.consuls, c.envoys
	if len(consuls) == 0 {
		consuls = versions(t, c.dir, "consul")
	}
	if len(envoys) == 0 {
		envoys = versions(t, c.dir, "envoy")
	}
	if c.corners {
		consuls, envoys = ends(consuls), ends(envoys)
	}
	servers := c.servers
	if len(servers) == 0 {
		servers = []string{""}
	}
	for _, consul := range consuls {
		for _, envoy := range envoys {
			for _, server := range servers {
				cells = append(cells, cell{Consul: consul, Envoy: envoy, Server: server})
			}
		}
	}
	return cells
}

// ends are the first and the last of a list.
func ends(list []string) []string {
	if len(list) < 3 {
		return list
	}
	return []string{list[0], list[len(list)-1]}
}

// versions are those of which the folder has the program, oldest first.
func versions(t harness.T, dir, name string) (all []string) {
	files, _ := filepath.Glob(filepath.Join(dir, name+"-*"))
	for _, file := range files {
		all = append(all, strings.TrimPrefix(filepath.Base(file), name+"-"))
	}
	if len(all) == 0 {
		t.Fatalf("%s has no %s-VERSION: run tools/matrix.sh", dir, name)
	}
	slices.SortFunc(all, older)
	return all
}

// older orders versions by their numbers.
func older(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if len(as[i]) != len(bs[i]) {
			return len(as[i]) - len(bs[i])
		}
		if d := strings.Compare(as[i], bs[i]); d != 0 {
			return d
		}
	}
	return len(as) - len(bs)
}

// save keeps the results.
func (r *record) save(t harness.T) {
	text, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(resultsFile(t), append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatalf("results: %v", err)
	}
}

func resultsFile(t harness.T) string {
	return filepath.Join(harness.Root(t), "e2e", "matrix", "results.json")
}

// load reads what earlier runs have seen; nothing yet is no error.
func load(t harness.T) *record {
	r := &record{}
	text, err := os.ReadFile(resultsFile(t))
	if os.IsNotExist(err) {
		return r
	}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		t.Fatalf("results: %v", err)
	}
	return r
}

// listed are the versions of the matrix in tools/versions.
func listed(t harness.T, name string) []string {
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "tools", "versions"))
	found := regexp.MustCompile(`(?m)^matrix_` + name + `="(.*)"$`).FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("tools/versions has no matrix_%s: %v", name, err)
	}
	return strings.Fields(string(found[1]))
}

// write writes docs/versions.md.
func write(t harness.T, r *record) {
	file := filepath.Join(harness.Root(t), "docs", "versions.md")
	if err := os.WriteFile(file, []byte(page(r, listed(t, "consul"), listed(t, "envoy"))), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println("written:", file)
}
