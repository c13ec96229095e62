package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// setting is where and when the figures were taken.
type setting struct {
	begun   time.Time
	took    time.Duration
	machine string
	load    string // at the begin
	parts   string // versions
	command string
}

// page is the text of docs/benchmarks.md.
func page(in setting, sections []section) string {
	var s strings.Builder
	fmt.Fprintf(&s, `# Benchmarks: how it grows

Made by `+"`%s`"+` on %s in %s; %s; %s; load average %s at the begin.
Everything ran on this one machine, on loopback: the server, the agents, Envoy and the load share its cores. The
figures are this machine's; the ratios and the way of growing are what to compare.

A cell is the median of the rounds, with the least and the largest. "By hand" is the same steps with nothing between
them, in turns with meshtask's and with the same agent configuration, registration and bootstrap document; a ratio is
that of a round. "Exponent" is p of y = c·xᵖ over all sizes. A constant part hides how the rest grows, so the verdict
is by the exponent of what is added to the smallest size's figure, as far as it is above the spread: of all sizes, and "at
the end" of the two largest.
`, in.command, in.begun.UTC().Format("2006-01-02"), in.took.Round(time.Second), in.machine, in.parts, in.load)
	for _, sec := range sections {
		s.WriteString("\n" + text(sec))
	}
	return s.String()
}

// text is one section.
func text(sec section) string {
	var s strings.Builder
	fmt.Fprintf(&s, "## %s\n\n%s\n", sec.title, sec.about)
	for _, c := range sec.charts {
		fmt.Fprintf(&s, "\n![%s](%s)\n", c.title, c.file)
	}
	for _, t := range sec.tables {
		if t.title != "" {
			fmt.Fprintf(&s, "\n### %s\n", t.title)
		}
		s.WriteString("\n" + figures(t) + "\n" + growths(t))
	}
	if sec.after != "" {
		s.WriteString("\n" + sec.after + "\n")
	}
	return s.String()
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// rule is the line below a table's head.
func rule(columns int) string { return "|" + strings.Repeat(" --- |", columns) + "\n" }

// figures is the table itself, and what becomes of its budgets.
func figures(t table) string {
	head := []string{t.size}
	for _, c := range t.filled() {
		head = append(head, headed(c.name, c.unit))
	}
	var ratios []*series
	for _, r := range t.ratios {
		if rounds := r.rounds(); len(rounds.values) > 0 {
			ratios, head = append(ratios, rounds), append(head, r.name)
		}
	}
	var out strings.Builder
	out.WriteString(row(head...) + rule(len(head)))
	for _, size := range t.sizes() {
		cells := []string{fmt.Sprint(size)}
		for _, c := range t.filled() {
			cells = append(cells, c.cell(size))
		}
		for _, r := range ratios {
			cells = append(cells, r.cell(size))
		}
		out.WriteString(row(cells...))
	}
	for _, c := range slices.Concat(t.filled(), ratios) {
		if said := c.verdict(); said != "" {
			out.WriteString("\n" + said + "\n")
		}
	}
	return out.String()
}

// growths says of each series how it grows, and why where that is too fast.
func growths(t table) string {
	var out strings.Builder
	out.WriteString(row("grows", "exponent", "for each of the "+t.size, "largest ÷ smallest", "exponent of what is added", "at the end", "verdict") + rule(7))
	var why strings.Builder
	for _, c := range t.filled() {
		g := grown(c)
		out.WriteString(row(c.name, number(g.exponent), withUnit(number(g.slope), c.unit), number(g.total), number(g.added), number(g.late), g.verdict))
		if g.verdict != faster && (g.verdict != bent || c.why == "") {
			continue
		}
		reason := c.why
		if reason == "" {
			reason = "**not explained yet**."
		}
		fmt.Fprintf(&why, "\n%s grows %s: %s\n", c.name, strings.Trim(g.verdict, "*"), reason)
	}
	return out.String() + why.String()
}

// headed is a name with its unit, for the head of a column.
func headed(name, unit string) string {
	if unit == "" {
		return name
	}
	return name + ", " + unit
}

func withUnit(what, unit string) string {
	if unit == "" {
		return what
	}
	return what + " " + unit
}
