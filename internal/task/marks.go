package task

import (
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/plan"
	"meshtask/lifecycle"
)

// tellRows tells the record which units there are, and which marks its entries reach.
func (t *task) tellRows() {
	var names []string
	labels := map[string]journal.Labels{}
	for _, r := range t.plan.Rows {
		names = append(names, string(r.Unit))
		labels[string(r.Unit)] = journal.Labels{Up: r.Start.String(), Down: r.Stop.String()}
	}
	t.book.Rows(names, labels, marksOf(t.plan))
}

// marksOf tells which of the page's marks an entry reaches.
func marksOf(p *plan.Plan) func(event.Entry) []event.Mark {
	m := lifecycle.NewMarker(p.Rows, p.App != nil)
	return func(e event.Entry) []event.Mark {
		u := lifecycle.Unit(e.Unit)
		var reached []lifecycle.Reached
		switch e.Event.(type) {
		case event.Start:
			reached = m.Started(u)
		case event.Ready:
			reached = m.Ready(u)
		case event.Ended:
			reached = m.Ended(u)
		case event.Exec:
			if u == lifecycle.App {
				reached = m.Executed()
			}
		case event.Shutdown:
			reached = m.Shutdown()
		}
		var marks []event.Mark
		for _, r := range reached {
			marks = append(marks, event.Mark{Name: r.Mark.String()})
		}
		return marks
	}
}
