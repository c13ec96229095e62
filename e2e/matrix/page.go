package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"meshtask/envoy/pairs"
)

// enterprise is the section of the page that no run can write.
//
//go:embed enterprise.md
var enterprise string

// record is every result, by cell and step.
type record struct {
	Cells []kept `json:"cells"`
}

// kept is what is known of a cell.
type kept struct {
	cell
	Steps map[string]result `json:"steps"`
}

// put keeps a result in the place of an earlier one.
func (r *record) put(c cell, step string, res result) {
	for i := range r.Cells {
		if r.Cells[i].cell == c {
			res.Runs = r.Cells[i].Steps[step].Runs + 1
			r.Cells[i].Steps[step] = res
			return
		}
	}
	res.Runs = 1
	r.Cells = append(r.Cells, kept{c, map[string]result{step: res}})
	slices.SortFunc(r.Cells, func(a, b kept) int {
		return cmp.Or(older(a.Consul, b.Consul), older(a.Envoy, b.Envoy), older(a.Server, b.Server))
	})
}

// lacking are the versions of the list that no row of the record has.
func lacking(r *record, consuls, envoys []string) (all []string) {
	for _, v := range consuls {
		if !slices.ContainsFunc(r.Cells, func(k kept) bool { return k.Consul == v && k.Server == "" }) {
			all = append(all, "Consul "+v)
		}
	}
	for _, v := range envoys {
		if !slices.ContainsFunc(r.Cells, func(k kept) bool { return k.Envoy == v && k.Server == "" }) {
			all = append(all, "Envoy "+v)
		}
	}
	return all
}

// page is docs/versions.md; consuls and envoys are what should have run.
func page(r *record, consuls, envoys []string) string {
	var s strings.Builder
	s.WriteString(`# Versions of Consul and Envoy

Made by ` + "`make matrix`" + ` from what has run (` + "`e2e/matrix/results.json`" + `); it claims nothing else.

A task asks nobody for permission: Consul refuses the Envoys that it does not serve, and the task ends with 207 and
the words, both versions and the nearest pair that fits. What Consul serves is neither refused nor warned about,
listed or not; ` + "`envoy.strictVersion`" + ` takes only what Consul lists ([adr 25](adr/0025-consul-says-what-it-serves.md)).
` + "`meshtask version --check`" + ` prints the pair that an image has.

## What has run

Each row is one pair; "agents" and servers are the same Consul. Ratios are medians of T0→T2 and of TERM to exit, by
the pair that ` + "`make tools`" + ` pins, in turns with it in the same run, with the least and the largest turn. Where those
are far apart the machine was busy with other work: the pinned pair's own row, beside itself, shows how much.

`)
	table(&s, r, false)
	if mixed(r) {
		s.WriteString("\nServers of another version than the agents, as while a fleet is being upgraded:\n\n")
		table(&s, r, true)
	}
	s.WriteString("\n\"ok\" is passed, \"–\" is not run, \"in e2e\" is that its tests are among those of that column and have passed there, and what failed is named, bold where the reason is not known; \"run 2\" is that it had been run before,\nand the last run counts. ")
	s.WriteString("What the columns are:\n\n")
	for _, st := range steps() {
		about := st.about
		if st.tests != "" {
			about = "`go test ./" + strings.TrimPrefix("e2e/"+st.dir, "./") + " -run '" + st.tests + "'`"
			about = strings.ReplaceAll(about, "/.", "")
		}
		fmt.Fprintf(&s, "- **%s**: %s.\n", st.name, about)
	}
	s.WriteString("\n## What fails, and why\n\n| Consul | test | why |\n|---|---|---|\n")
	for _, k := range knowns() {
		fmt.Fprintf(&s, "| %s | %s | %s |\n", k.consul, k.test, k.why)
	}
	s.WriteString(`
## What has not run, and why

| | why |
|---|---|
`)
	if list := lacking(r, consuls, envoys); len(list) > 0 {
		s.WriteString("| " + strings.Join(list, ", ") + " | in the list of `tools/versions`, but not run yet |\n")
	}
	s.WriteString(`| a column with "–" | not run for that pair yet |
| Envoy before 1.36 | the wheels begin with 1.36.2; the documents that those Envoys get are compared with Consul's own command only |
| Consul 2.0 | its Go module is not on the module proxy |
| Consul 1.18.2 | does not build from the modules that are published beside it: no version of proto-public has what it imports; an older one was not tried |
| Consul 1.21.1 to 1.21.4 | the module proxy does not have them |
| Consul Enterprise | needs a licence: [what that leaves open](#consul-enterprise-what-is-unverified) |

The Consuls are built from their Go modules, with the lists of Envoys that the modules on the proxy have: HashiCorp's
own builds of the long-term lines list newer ones as well.

## What Consul declares

As HashiCorp has published it; long-term lines take in newer Envoys with their patches. No Envoy of the table above is
declared by the Consuls above it: that Consul serves it is what has run.

| Consul | Envoy |
|---|---|
`)
	for _, l := range pairs.Lines() {
		fmt.Fprintf(&s, "| %s | 1.%d to 1.%d |\n", l.Consul, l.From, l.To)
	}
	s.WriteString(enterprise)
	s.WriteString(`
## Run it again

` + "```sh" + `
make matrix                                             # builds and fetches what is missing, then everything: hours
make matrix MATRIX='--corners --what life,soak --soak 20s'
make matrix MATRIX='--consul 1.22.7 --envoy 1.36.4'
make matrix MATRIX='--consul 1.22.7 --envoy 1.36.4 --server 1.20.6 --what life,acl,migration'
` + "```" + `
`)
	return s.String()
}

func mixed(r *record) bool {
	return slices.ContainsFunc(r.Cells, func(k kept) bool { return k.Server != "" })
}

// table is the rows of one kind of cells.
func table(s *strings.Builder, r *record, servers bool) {
	head := []string{"Consul", "Envoy"}
	if servers {
		head = []string{"Agents", "Servers", "Envoy"}
	}
	head = append(append(head, names()...), "T0→T2 ÷", "stop ÷")
	row := func(cells []string) { s.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row(head)
	row(slices.Repeat([]string{"---"}, len(head)))
	for _, k := range r.Cells {
		if (k.Server != "") != servers {
			continue
		}
		cells := []string{k.Consul, k.Envoy}
		if servers {
			cells = []string{k.Consul, k.Server, k.Envoy}
		}
		for _, name := range names() {
			cells = append(cells, word(name, k))
		}
		up, down := "–", "–"
		if q := k.Steps["life"].Ratios; q != nil {
			up, down = spread(q.Up), spread(q.Down)
		}
		row(append(cells, up, down))
	}
}

func word(name string, k kept) string {
	r, ran := k.Steps[name]
	switch {
	case !ran:
		return within(name, k)
	case passedButKnown(k.Consul, r):
		_, explained := unknown(k.Consul, r.Note)
		return "all but " + strings.Join(explained, ", ")
	case !r.OK:
		return "**" + cmp.Or(r.Note, "failed") + "**"
	case name == "soak":
		length, rest, _ := strings.Cut(r.Note, ": ")
		return "ok, " + length + ", " + strings.TrimSuffix(rest, " requests were lost") + " lost"
	}
	if r.Runs > 1 {
		return fmt.Sprintf("ok (run %d)", r.Runs)
	}
	return "ok"
}

// passedButKnown says whether only tests failed that have a known reason.
func passedButKnown(consul string, r result) bool {
	others, explained := unknown(consul, r.Note)
	return !r.OK && len(others) == 0 && len(explained) > 0
}

// within is the word for a step that has not run by itself: its tests may have, with others.
func within(name string, k kept) string {
	all := steps()
	own := all[slices.IndexFunc(all, func(s step) bool { return s.name == name })]
	for _, whole := range all {
		if own.tests == "" || whole.tests != "" || whole.dir != own.dir {
			continue
		}
		if r := k.Steps[whole.name]; r.OK || passedButKnown(k.Consul, r) {
			return "in " + whole.name
		}
	}
	return "–"
}

// spread is the median with the least and the largest.
func spread(list []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(list), slices.Min(list), slices.Max(list))
}
