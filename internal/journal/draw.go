package journal

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"text/tabwriter"

	"meshtask/internal/event"
	"meshtask/internal/printable"
)

// span is one unit's life, in ms since the process began; -1 is never.
type span struct {
	unit                      string
	start, ready, stop, ended float64
	steps                     []step
}

// step is one thing that happened in a unit's life.
type step struct {
	word, way string
	ms        float64
}

// spans folds a timeline into lives, in the order of their starts.
func spans(entries []event.Entry) (lives []*span, marks []event.Entry, end float64) {
	known := map[string]*span{}
	find := func(unit string) *span {
		s, ok := known[unit]
		if !ok {
			s = &span{unit: printable.Line(unit), start: -1, ready: -1, stop: -1, ended: -1}
			known[unit] = s
			lives = append(lives, s)
		}
		return s
	}
	for _, e := range entries {
		e.Ms = min(max(0, e.Ms), longestLife)
		end = max(end, e.Ms)
		if e.Unit == event.Task {
			if _, ok := e.Event.(event.Mark); ok {
				e.Mark = printable.Line(e.Mark)
				marks = append(marks, e)
			}
			continue
		}
		s := find(e.Unit)
		switch e.Event.(type) {
		case event.Start:
			s.start = e.Ms
		case event.Ready:
			s.ready = e.Ms
		case event.Stop:
			s.stop = e.Ms
		case event.Ended:
			s.ended = e.Ms
		case event.Waiting, event.WaitOver:
		default:
			word, detail, _ := event.Words(e.Event)
			if word == wordStep {
				word = detail
			}
			s.steps = append(s.steps, step{printable.Line(word), e.Way, e.Ms})
		}
	}
	// A log may have left the start out, and speaks of units that never began.
	began := func(s *span) bool { return s.start >= 0 || s.ready >= 0 || s.ended >= 0 }
	return slices.DeleteFunc(lives, func(s *span) bool { return !began(s) }), marks, end
}

// Text prints the measured timeline: the marks of either way, then each unit,
// in milliseconds since the way's T0.
func Text(entries []event.Entry) string {
	lives, marks, _ := spans(entries)
	zero := map[string]float64{}
	var b strings.Builder
	for _, way := range []string{event.Up, event.Down} {
		var line []string
		for _, m := range marks {
			if m.Way != way {
				continue
			}
			if _, ok := zero[way]; !ok {
				zero[way] = m.Ms
			}
			line = append(line, fmt.Sprintf("%s %.0f", m.Mark, m.Ms-zero[way]))
		}
		if len(line) > 0 {
			fmt.Fprintf(&b, "%-4s  %s ms\n", way, strings.Join(line, "   "))
		}
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range lives {
		fmt.Fprintf(t, "%s\tstart %s\tready %s\tstop %s\tended %s\t%s\n", s.unit, since(s.start, zero[event.Up]), since(s.ready, zero[event.Up]),
			since(s.stop, zero[event.Down]), since(s.ended, zero[event.Down]), words(s.steps, zero))
	}
	_ = t.Flush() // into memory
	return b.String()
}

func since(ms, zero float64) string {
	if ms < 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", max(0, ms-zero)) // a unit starts just before its mark is noted
}

func words(steps []step, zero map[string]float64) string {
	var out []string
	for _, s := range steps {
		out = append(out, fmt.Sprintf("%s %.0f", s.word, s.ms-zero[s.way]))
	}
	return strings.Join(out, "  ")
}

// The drawing: a bar a unit, grey until it is ready, green while it is up, red
// from its stop on. The long middle of a life is cut out, so that both ways
// can be seen.
const (
	width, left, row = 900.0, 120.0, 26.0
	cutTo            = 200.0 // ms that are left of the middle
)

// SVG draws the measured timeline.
func SVG(entries []event.Entry) string {
	lives, marks, end := spans(entries)
	up, down := edges(entries, end)
	cut := max(0, down-up-cutTo)
	x := func(ms float64) float64 {
		if ms > up {
			ms = max(up, ms-cut)
		}
		return left + ms/max(1, end-cut)*(width-left-10)
	}
	height := row*float64(len(lives)) + 60
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="sans-serif" font-size="12">`+"\n", width, height)
	bar := func(y, from, to float64, colour string) {
		if from >= 0 && to > from {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.0f" fill="%s"/>`+"\n", x(from), y, max(1, x(to)-x(from)), row-8, colour)
		}
	}
	for i, s := range lives {
		y := 30 + row*float64(i)
		ready, stop, ended := orElse(s.ready, s.stop, s.ended, end), orElse(s.stop, s.ended, end), orElse(s.ended, end)
		bar(y, s.start, min(ready, ended), "#bbbbbb")
		bar(y, ready, min(stop, ended), "#7fb77e")
		bar(y, stop, ended, "#d98880")
		fmt.Fprintf(&b, `<text x="4" y="%.1f">%s</text>`+"\n", y+13, html.EscapeString(s.unit))
	}
	for _, m := range marks {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="22" x2="%.1f" y2="%.1f" stroke="#555555" stroke-dasharray="2,3"/><text x="%.1f" y="16">%s %s</text>`+"\n",
			x(m.Ms), x(m.Ms), height-26, x(m.Ms), html.EscapeString(printable.Line(m.Way)), html.EscapeString(m.Mark))
	}
	fmt.Fprintf(&b, `<text x="4" y="%.1f">%.0f ms in all, %.0f ms of the middle left out</text>`+"\n</svg>\n", height-8, end, cut)
	return b.String()
}

// edges are the last instant of the way up and the first of the way down.
func edges(entries []event.Entry, end float64) (up, down float64) {
	down = end
	for _, e := range entries {
		if _, ok := e.Event.(event.Shutdown); ok {
			return up, min(max(0, e.Ms), longestLife)
		}
		up = min(max(0, e.Ms), longestLife)
	}
	return up, down
}

func orElse(values ...float64) float64 {
	for _, v := range values {
		if v >= 0 {
			return v
		}
	}
	return 0
}
