package lifecycle

import (
	"fmt"
	"strings"
)

// Text prints the table as two lists of lines, what starts when and what is
// asked to stop when.
func (t Timeline) Text() string {
	var b strings.Builder
	for _, r := range t {
		fmt.Fprintf(&b, "up    %s  start %-13s %s\n", r.Start, r.Unit, when("ready", r.Needs, "at once"))
	}
	for _, m := range []Mark{T0, T1, T2} {
		for _, r := range t {
			if r.Stop == m {
				fmt.Fprintf(&b, "down  %s  stop  %-13s %s\n", r.Stop, r.Unit, when("ended", r.After, "at once"))
			}
		}
	}
	return b.String()
}

// Markdown prints the table as docs/timeline.md shows it.
func (t Timeline) Markdown() string {
	var b strings.Builder
	b.WriteString("| unit | up | starts when these are ready | ready means | down | asked to stop when these have ended | and then it | moot when one of these has ended |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|\n")
	for _, r := range t {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.Unit, r.Start, list(r.Needs), r.Ready, r.Stop, list(r.After), r.Then, list(r.Moot))
	}
	return b.String()
}

func when(word string, units []Unit, none string) string {
	if len(units) == 0 {
		return none
	}
	return "when " + word + ": " + list(units)
}

func list(units []Unit) string {
	words := make([]string, len(units))
	for i, u := range units {
		words[i] = string(u)
	}
	if len(words) == 0 {
		return "–"
	}
	return strings.Join(words, ", ")
}
