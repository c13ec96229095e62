package lifecycle

import (
	"fmt"
	"strings"
)

// Diagram draws one way of the table as a Mermaid flowchart: an arrow from
// what is waited for to what waits.
func (t Timeline) Diagram(down bool) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	verb, word := "start", "ready"
	if down {
		verb, word = "stop", "ended"
	}
	for _, r := range t {
		mark, waits := r.Start, r.Needs
		if down {
			mark, waits = r.Stop, r.After
		}
		fmt.Fprintf(&b, "  %s[\"%s %s %s\"]\n", r.Unit, mark, verb, r.Unit)
		for _, u := range waits {
			fmt.Fprintf(&b, "  %s -- %s --> %s\n", u, word, r.Unit)
		}
	}
	return b.String()
}
