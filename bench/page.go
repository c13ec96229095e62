package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// page is what goes into docs/conformance.md.
type page struct {
	begun   time.Time
	load    string
	cases   []string                              // in the suite's order
	results map[string]map[string]map[string]bool // case, init, place
	figures []*figure
}

var versionNumber = regexp.MustCompile(`[0-9]+\.[0-9.]*[0-9]`)

var resultLine = regexp.MustCompile(`(?m)^ +--- (PASS|FAIL): TestConformance/(.+)/(pid1|shared|below|child) `)

// suite puts one init to the cases.
func (p *page) suite(b *bed, of peer) error {
	cmd := exec.Command(filepath.Join(b.dir, "suite"), "-init", of.name, "-bin", b.dir, "-patience", "4s", "-test.v", "-test.run", "TestConformance")
	cmd.Dir = "conformance"
	out, _ := cmd.CombinedOutput() // it fails where a case does
	if bytes.Contains(out, []byte("not as PID 1")) {
		return fmt.Errorf("no pid namespace can be made: %.300s", out)
	}
	found := resultLine.FindAllStringSubmatch(string(out), -1)
	if len(found) == 0 {
		return fmt.Errorf("suite of %s: no results: %.2000s", of.name, out)
	}
	if p.results == nil {
		p.results = map[string]map[string]map[string]bool{}
	}
	for _, f := range found {
		name := strings.ReplaceAll(f[2], "_", " ")
		if p.results[name] == nil {
			p.results[name] = map[string]map[string]bool{}
			p.cases = append(p.cases, name)
		}
		if p.results[name][of.name] == nil {
			p.results[name][of.name] = map[string]bool{}
		}
		p.results[name][of.name][f[3]] = f[1] == "PASS"
	}
	return nil
}

// cell is what a case came to in the places where it was tried.
func cell(places map[string]bool) string {
	var good, bad []string
	for place, ok := range places {
		if ok {
			good = append(good, place)
		} else {
			bad = append(bad, place)
		}
	}
	slices.Sort(bad)
	switch {
	case len(places) == 0:
		return "–"
	case len(bad) == 0:
		return "yes"
	case len(good) == 0:
		return "**no**"
	}
	return "not " + strings.Join(bad, ", ")
}

func (p *page) text(b *bed) string {
	var s strings.Builder
	var versions []string
	for _, i := range b.inits {
		versions = append(versions, strings.TrimSpace(i.name+" "+versionNumber.FindString(i.version)))
	}
	fmt.Fprintf(&s, `# Conformance of container inits

Made by `+"`make bench`"+` (`+"`go run ./bench`"+`) on %s; %s; load average %s at the begin
(later it is the bench's own: ten thousand processes that end at once).
Compared: %s.
`, p.begun.UTC().Format("2006-01-02"), machine(), p.load, strings.Join(versions, ", "))
	for _, m := range b.missing {
		fmt.Fprintf(&s, "%s was not installed (%s).\n", m.name, m.get)
	}
	s.WriteString(`
## Cases

Each case of ` + "`conformance/`" + ` was run as PID 1 of a namespace ("pid1"), in a pid namespace of someone else's ("shared",
ECS's ` + "`pidMode: task`" + `) and, for meshtask, below tini ("below"). "yes": in all of them. "not X": elsewhere. "–": the init
has no such feature. Outside PID 1 tini runs with ` + "`-s`" + `; groups and leaders are chosen by the init's own option. s6 is
` + "`s6-svscan`" + ` with one service: by design it answers most signals itself.
That fault signals, URG and PIPE are passed on, and that a mask and ignored signals are handed through, is tini's and dumb-init's choice; it is ours not to.

`)
	row := func(cells ...string) { fmt.Fprintf(&s, "| %s |\n", strings.Join(cells, " | ")) }
	head, line := []string{"case"}, []string{"---"}
	for _, i := range b.inits {
		head, line = append(head, i.name), append(line, "---")
	}
	row(head...)
	row(line...)
	slices.Sort(p.cases)
	for _, name := range p.cases {
		cells := []string{name}
		for _, i := range b.inits {
			cells = append(cells, cell(p.results[name][i.name]))
		}
		row(cells...)
	}
	s.WriteString(`
## Figures

All inits in turns, round by round, in one run. Each cell: the median, and in brackets the ratio to tini in the same
round: its median, with the quartiles of the rounds. The figures are this machine's; the ratios are what to compare.
"At once": the orphans end by themselves, all together. "Met at once": the init is stopped until all of them are zombies.
"A binary of ours that only starts it": meshtask as it is built, all packages linked, with a main that only starts the
command and waits: the Go runtime, the libraries' initialisation, and nothing of an init (docs/adr/0013-the-cost-of-a-start.md).
"In the start": the part of the first ten milliseconds after the fork in which a TERM that comes is lost, or kills the init.

`)
	s.WriteString(p.figureTable(b))
	return s.String()
}

func (p *page) figureTable(b *bed) string {
	var s strings.Builder
	head, line := "| figure |", "| --- |"
	for _, i := range b.inits {
		if i.name != "s6" {
			head, line = head+" "+i.name+" |", line+" --- |"
		}
	}
	fmt.Fprintf(&s, "%s budget of meshtask |\n%s --- |\n", head, line)
	for _, f := range p.figures {
		fmt.Fprintf(&s, "| %s |", f.name)
		for _, i := range b.inits {
			if i.name != "s6" {
				fmt.Fprintf(&s, " %s |", f.cell(i.name))
			}
		}
		fmt.Fprintf(&s, " %s |\n", f.verdict())
	}
	return s.String()
}

// budgets are of meshtask: a ratio to tini, but the resident size in KB.
var budgets = map[string]float64{
	wholeRun:                            6,
	"10 000 orphans at once, ms":        1.1,
	"10 000 orphans at once, CPU ms":    1.5,
	throughput:                          1,
	"RSS at rest, KB":                   14 << 10,
	"context switches a second at rest": 0,
}

func (f *figure) verdict() string {
	limit, ok := budgets[f.name]
	if !ok || len(f.values["meshtask"]) == 0 {
		return ""
	}
	got, text := quantile(f.values["meshtask"], 0.5), number(limit)
	if f.name == throughput { // the one that is to be high
		if got < limit {
			return "at least " + text + ": **missed**"
		}
		return "at least " + text + ": kept"
	}
	if limit > 0 && limit < 100 {
		ratios := f.ratios("meshtask")
		if len(ratios) == 0 {
			return text + " ×: tini is missing"
		}
		got, text = quantile(ratios, 0.5), text+" ×"
	}
	if got > limit {
		return text + ": **missed**"
	}
	return text + ": kept"
}

// ratios are those to tini, round by round.
func (f *figure) ratios(name string) (all []float64) {
	values, base := f.values[name], f.values["tini"]
	if len(base) != len(values) || quantile(base, 0.5) == 0 {
		return nil
	}
	for i := range values {
		all = append(all, values[i]/base[i])
	}
	return all
}

func (f *figure) cell(name string) string {
	values := f.values[name]
	if len(values) == 0 || f.name == floorRun && name != "meshtask" {
		return "–"
	}
	median := number(quantile(values, 0.5))
	switch ratios := f.ratios(name); {
	case name == "tini" || len(ratios) == 0:
		return median
	case len(ratios) == 1:
		return fmt.Sprintf("%s (%.2f ×)", median, ratios[0])
	default:
		return fmt.Sprintf("%s (%.2f ×; %.2f–%.2f)", median, quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75))
	}
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func number(v float64) string {
	if v >= 100 || v == 0 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
