package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// series is one quantity: its values at each size, round by round.
type series struct {
	name, unit string
	why        string  // explains a growth faster than linear, where it is known
	most       float64 // that is wanted; 0: nothing is said
	values     map[int][]float64
}

func newSeries(name, unit string) *series {
	return &series{name: name, unit: unit, values: map[int][]float64{}}
}

func (s *series) add(size int, v float64) { s.values[size] = append(s.values[size], v) }

// sizes are those that have values, in their order.
func (s *series) sizes() []int { return slices.Sorted(maps.Keys(s.values)) }

// spread is from the least value at a size to the largest.
func (s *series) spread(size int) float64 {
	v := s.values[size]
	if len(v) == 0 {
		return 0
	}
	return slices.Max(v) - slices.Min(v)
}

// cell is the median, with the least and the largest of the rounds.
func (s *series) cell(size int) string {
	v := s.values[size]
	switch {
	case len(v) == 0:
		return "–"
	case len(v) == 1 || s.spread(size) == 0:
		return number(median(v))
	}
	return fmt.Sprintf("%s (%s–%s)", number(median(v)), number(slices.Min(v)), number(slices.Max(v)))
}

// verdict says at which sizes the median keeps what is wanted; "" where nothing is.
func (s *series) verdict() string {
	if s.most == 0 || len(s.values) == 0 {
		return ""
	}
	var missed []string
	for _, size := range s.sizes() {
		if m := median(s.values[size]); m > s.most {
			missed = append(missed, fmt.Sprintf("%d (%s)", size, number(m)))
		}
	}
	wanted := fmt.Sprintf("%s: at most %s is wanted", s.name, withUnit(number(s.most), s.unit))
	if len(missed) == 0 {
		return wanted + ", and kept at each size."
	}
	return fmt.Sprintf("%s; **missed** at %s.", wanted, strings.Join(missed, ", "))
}

// ratio compares two series round by round.
type ratio struct {
	name   string
	of, to *series
	budget float64 // the most that is wanted; 0: nothing is said
}

// rounds are the ratios at each size.
func (r ratio) rounds() *series {
	all := newSeries(r.name, "")
	all.most = r.budget
	for _, size := range r.of.sizes() {
		of, to := r.of.values[size], r.to.values[size]
		for i := range min(len(of), len(to)) {
			if to[i] != 0 {
				all.add(size, of[i]/to[i])
			}
		}
	}
	return all
}

// table has a row for each size.
type table struct {
	title  string // "" where the section has only one
	size   string // what is counted: "upstreams"
	series []*series
	ratios []ratio
}

// filled are the series that have values.
func (t table) filled() []*series {
	return slices.DeleteFunc(slices.Clone(t.series), func(s *series) bool { return len(s.values) == 0 })
}

// sizes are those of all series together.
func (t table) sizes() []int {
	all := map[int]bool{}
	for _, s := range t.series {
		for size := range s.values {
			all[size] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// line is a series in a plot.
type line struct {
	*series
	label  string // "" is the series' name
	dashed bool   // the peer of the line before it
}

// chart is one plot.
type chart struct {
	file       string // benchmarks-….svg
	title      string
	x, y       string // titles of the axes, with units
	lines      []line
	logX, logY bool
}

// section is what one chapter has found.
type section struct {
	title  string
	about  string // how it was measured
	tables []table
	charts []chart
	after  string // what is to be said about the figures
}
