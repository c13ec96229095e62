package drawing

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"meshtask/internal/event"
)

// panel is a stretch of a life that is drawn to one scale, at [x, x+width].
type panel struct {
	from, to float64 // ms
	x, width float64
	zero     float64 // what its axis counts from
	head     string
}

func (p panel) at(ms float64) float64 {
	return p.x + (ms-p.from)/max(p.to-p.from, 1e-3)*p.width
}

// The axis: a long stretch in which nothing happens is left out, and each of the stretches
// between has a scale of its own, so that both ways can be read however long a life was.
const (
	breakWidth = 64.0 // of what is drawn where something is left out
	maxPanels  = 4
)

// gap is a stretch between two things that happened.
type gap struct{ from, to float64 }

func (g gap) length() float64 { return g.to - g.from }

// panels divides a life, and gives each part its place in [x, x+width].
func (l *life) panels(x, width float64) []panel {
	points := l.points()
	begin, end := points[0], points[len(points)-1]
	out := []panel{{from: begin, to: max(end, begin+1)}}
	for _, g := range l.breaks(points) {
		rest := panel{from: g.to, to: out[len(out)-1].to}
		out[len(out)-1].to = g.from
		out = append(out, rest)
	}
	for i := range out { // room before the first thing and behind the last one
		p := &out[i]
		room := max(1, (p.to-p.from)*0.02)
		p.to += room
		if i > 0 {
			p.from -= room
		}
	}
	l.place(out, x, width)
	l.name(out)
	return out
}

// points are the times at which something changes, in their order.
func (l *life) points() []float64 {
	points := []float64{l.end}
	for _, u := range l.units {
		for _, p := range u.phases {
			points = append(points, p.from, p.to)
		}
		points = append(points, u.kills...)
	}
	for _, m := range l.marks {
		points = append(points, m.ms)
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// breaks are the stretches to be left out. One in which nothing starts or stops goes when it is
// long beside the rest; another one, such as a wait, only when nothing else could be seen.
func (l *life) breaks(points []float64) []gap {
	var gaps []gap
	var rest float64
	for i := 1; i < len(points); i++ {
		gaps = append(gaps, gap{points[i-1], points[i]})
		rest += points[i] - points[i-1]
	}
	slices.SortStableFunc(gaps, func(a, b gap) int { return cmp.Compare(b.length(), a.length()) })
	var out []gap
	for _, g := range gaps {
		others := rest - g.length()
		if g.length() <= others/4 { // nor is any that comes after it long enough
			break
		}
		if quiet := l.quiet(g); quiet && g.length() > max(others/4, shortest) || !quiet && g.length() > 4*others && others > 0 {
			out = append(out, g)
			rest = others
		}
	}
	return few(out)
}

// shortest is the shortest stretch that is left out, in ms.
const shortest = 100

// few are as many of the gaps, which are in the order of their lengths, as there may be: the
// first and the last of a life, so that both ways can be seen, and the longest.
func few(gaps []gap) []gap {
	byTime := func(a, b gap) int { return cmp.Compare(a.from, b.from) }
	if len(gaps) > maxPanels-1 {
		ends := []gap{slices.MinFunc(gaps, byTime), slices.MaxFunc(gaps, byTime)}
		for _, g := range gaps {
			if len(ends) < maxPanels-1 && !slices.Contains(ends, g) {
				ends = append(ends, g)
			}
		}
		gaps = ends
	}
	slices.SortFunc(gaps, byTime)
	return gaps
}

// quiet says that no unit is on its way anywhere.
func (l *life) quiet(g gap) bool {
	for _, u := range l.units {
		for _, p := range u.phases {
			if p.kind != up && p.from < g.to && p.to > g.from {
				return false
			}
		}
	}
	return true
}

// place shares the width out: half of it evenly, half by the root of what each lasts.
func (l *life) place(all []panel, x, width float64) {
	width -= breakWidth * float64(len(all)-1)
	var sum float64
	for _, p := range all {
		sum += math.Sqrt(p.to - p.from)
	}
	for i := range all {
		p := &all[i]
		p.x, p.width = x, width/2/float64(len(all))+width/2*math.Sqrt(p.to-p.from)/sum
		x += p.width + breakWidth
	}
}

// name says what each panel counts from.
func (l *life) name(all []panel) {
	for i := range all {
		p := &all[i]
		switch zero := l.zero(event.Up); {
		case l.stopAt >= 0 && l.stopAt >= p.from && l.stopAt-p.from < (p.to-p.from)/2 && i > 0:
			p.zero, p.head = l.zero(event.Down), "from the begin of the stop"
		case l.stopAt >= 0 && p.from > l.stopAt:
			p.zero, p.head = l.zero(event.Down), "from the begin of the stop"
		case i == 0:
			p.zero, p.head = zero, "from T0"
		default:
			p.zero = p.from + max(1, (p.to-p.from)*0.02)
			p.head = span(p.zero-zero) + " after T0"
		}
	}
}

// ticks are the times of a panel that are written below it, at least as far apart as room
// (in pixels) asks for.
func (p panel) ticks(room float64) (times []float64, words []string) {
	length := p.to - p.from
	least := length * room / p.width
	unit := math.Pow(10, math.Floor(math.Log10(max(least, 1e-6))))
	for _, f := range []float64{1, 2, 5, 10} {
		if f*unit >= least {
			unit *= f
			break
		}
	}
	for t := math.Ceil((p.from-p.zero)/unit) * unit; p.zero+t <= p.to; t += unit {
		if t < -1e-9 {
			continue
		}
		t = max(t, 0)
		times = append(times, p.zero+t)
		if length >= 2000 {
			words = append(words, fmt.Sprintf("%.6g s", t/1000))
		} else {
			words = append(words, fmt.Sprintf("%.6g ms", t))
		}
	}
	return times, words
}
