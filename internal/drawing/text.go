package drawing

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"meshtask/internal/event"
)

// Text is the measured life of a task for a terminal, with what its zeros, units and marks
// mean. now is the time until which a task is shown that lives; zero: it is gone.
func Text(entries []event.Entry, now time.Time) string {
	l := read(entries, now)
	var b strings.Builder
	if l.service != "" {
		b.WriteString(l.service + ": ")
	}
	b.WriteString(l.headline() + "\n")
	if !l.began.IsZero() {
		fmt.Fprintf(&b, "began %s; times are in ms, where no other unit stands\n", l.began.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	for _, way := range []string{event.Up, event.Down} {
		l.way(&b, way)
	}
	l.table(&b)
	return b.String()
}

// way lists the marks of one way; those that were reached together stand in one line.
func (l *life) way(b *strings.Builder, way string) {
	marks := slices.DeleteFunc(slices.Clone(l.marks), func(m mark) bool { return m.way != way })
	if len(marks) == 0 {
		return
	}
	from := span(l.zero(way)) + " after meshtask began"
	if way == event.Down {
		from = "the begin of the stop"
	}
	fmt.Fprintf(b, "\nway %s, counted from its T0: %s\n", way, from)
	for _, m := range marks {
		fmt.Fprintf(b, "  %-3s %8s  %s\n", m.name, at(m.ms-l.zero(way)), l.meaning(m.way, m.name))
	}
}

// table has a line a unit.
func (l *life) table(b *strings.Builder) {
	if len(l.units) == 0 {
		return
	}
	missing := false
	rows := [][]string{{"", "way up", "", "way down", "", ""}, {"unit", "start", "ready", "asked", "ended", "steps"}}
	for i, u := range l.units {
		if i == maxRows {
			rows = append(rows, []string{fmt.Sprintf("… and %d more", len(l.units)-i), "", "", "", "", ""})
			break
		}
		ended := event.Down
		if l.stopAt < 0 || u.ended < l.stopAt {
			ended = event.Up
		}
		row := []string{clip(u.name, 40), l.since(u.start, event.Up), l.since(u.ready, event.Up), l.since(u.stop, event.Down), l.since(u.ended, ended), l.words(u.steps)}
		missing = missing || slices.Contains(row, "–")
		rows = append(rows, row)
	}
	b.WriteString("\n" + columns(rows))
	if missing {
		b.WriteString("– did not happen, or is not in the record\n")
	}
}

// columns sets rows under each other: words to the left, and the numbers between to the right.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 || i == len(r)-1 {
				line.WriteString(cell + fill + "  ")
			} else {
				line.WriteString(fill + cell + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// since is a time counted from the T0 of a way.
func (l *life) since(ms float64, way string) string {
	if ms < 0 {
		return "–"
	}
	return at(max(0, ms-l.zero(way))) // a unit starts just before its mark is noted
}

// at is a time in ms, and a long one with its unit.
func at(ms float64) string {
	if ms < 100_000 {
		return fmt.Sprintf("%.0f", ms)
	}
	return strings.ReplaceAll(span(ms), " ", "")
}

// words are what happened to a unit, the first and the last of many.
func (l *life) words(steps []step) string {
	const most = 8
	var out []string
	for i, s := range steps {
		if left := len(steps) - most; left > 0 && i >= most/2 && i < most/2+left {
			if i == most/2 {
				out = append(out, fmt.Sprintf("(%d more)", left))
			}
			continue
		}
		out = append(out, s.word+" "+at(max(0, s.ms-l.zero(s.way))))
	}
	return strings.Join(out, ", ")
}
