package main

import (
	"fmt"
	"math"
	"slices"
)

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// fit is the line y = offset + slope·x of least squares; NaN where fewer than two
// x differ.
func fit(x, y []float64) (offset, slope float64) {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	d := n*sxx - sx*sx
	if len(x) < 2 || d == 0 {
		return math.NaN(), math.NaN()
	}
	slope = (n*sxy - sx*sy) / d
	return (sy - slope*sx) / n, slope
}

// exponent is p of y = c·x^p, by least squares of the logarithms. Points that have
// none are left out.
func exponent(x, y []float64) float64 {
	var lx, ly []float64
	for i := range x {
		if x[i] > 0 && y[i] > 0 {
			lx, ly = append(lx, math.Log(x[i])), append(ly, math.Log(y[i]))
		}
	}
	_, p := fit(lx, ly)
	return p
}

// What a growth may come to.
const (
	flat   = "does not grow"
	slower = "slower than linearly"
	linear = "linearly"
	faster = "**faster than linearly**"
	bent   = "faster at first, linearly at the end"
	unsure = "grows, too little to tell how"
	hidden = "cannot be told: the spread is larger"
)

// A value that has grown by less than this part is taken for one that does not
// grow, and an exponent this far from 1 for 1: the machine is not quieter. The
// exponent at the end is that of two sizes alone, and has twice as much.
const (
	littleGrowth = 0.1
	nearlyOne    = 0.15
)

// growth is how a quantity grows with the size.
type growth struct {
	exponent float64 // of the medians over the sizes above 0
	slope    float64 // of the medians, for each unit of the size
	added    float64 // exponent of what comes on top of the smallest size's; NaN: cannot be told
	late     float64 // the same between the two largest sizes
	total    float64 // the largest size's median by the smallest's; NaN by 0
	verdict  string
}

// grown judges the values at each size. A constant part would hide how the rest
// grows, so what decides is the exponent of what is added to the smallest size's
// median; additions that are not above the spread of either are left out. What is
// fast over all sizes and linear at the end has only a bend; what is fast at the end
// is fast.
func grown(s *series) growth {
	sizes := s.sizes()
	var x, y, dx, dy []float64
	for _, size := range sizes {
		x, y = append(x, float64(size)), append(y, median(s.values[size]))
	}
	_, slope := fit(x, y)
	g := growth{exponent: exponent(x, y), slope: slope, added: math.NaN(), late: math.NaN(), verdict: flat}
	if len(sizes) < 2 {
		g.total = math.NaN()
		return g
	}
	last := len(sizes) - 1
	g.total = y[last] / y[0]
	if y[0] == 0 {
		g.total = math.NaN()
	}
	for i := 1; i <= last; i++ {
		if noise := max(s.spread(sizes[0]), s.spread(sizes[i])) / 2; y[i]-y[0] > noise {
			dx, dy = append(dx, x[i]-x[0]), append(dy, y[i]-y[0])
		}
	}
	if y[last]-y[0] <= littleGrowth*y[0] {
		return g
	}
	if len(dx) == 0 || dx[len(dx)-1] != x[last]-x[0] {
		g.verdict = hidden
		return g
	}
	g.added = exponent(dx, dy)
	if n := len(dx); n >= 2 {
		g.late = exponent(dx[n-2:], dy[n-2:])
	}
	switch {
	case math.IsNaN(g.added):
		g.verdict = unsure
	case g.late > 1+2*nearlyOne:
		g.verdict = faster
	case g.added > 1+nearlyOne && g.late <= 1+nearlyOne:
		g.verdict = bent
	case g.added > 1+nearlyOne:
		g.verdict = faster
	case g.added < 1-nearlyOne:
		g.verdict = slower
	default:
		g.verdict = linear
	}
	return g
}

// number prints a value with the digits that it deserves.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}
