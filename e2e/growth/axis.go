package main

import (
	"math"
	"slices"
)

// axis maps values to places between from and to.
type axis struct {
	min, max float64 // of the values
	from, to float64 // of the drawing
	log      bool
}

// newAxis covers values: from 0 where it is linear, from decade to decade where it
// is not. A value of 0 or less has no place on a logarithmic axis.
func newAxis(values []float64, log bool, from, to float64) axis {
	a := axis{from: from, to: to, log: log, max: 1}
	if log {
		values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v <= 0 })
		a.min, a.max = 1, 10
	}
	if len(values) == 0 {
		return a
	}
	least, most := slices.Min(values), slices.Max(values)
	if log {
		a.min, a.max = below(least), above(most)
		if a.min == a.max {
			a.max *= 10
		}
		return a
	}
	if a.max = most * 1.05; a.max <= 0 {
		a.max = 1
	}
	a.min = min(0, least)
	return a
}

// below and above are the nearest of 1, 2 and 5 in a decade.
func below(v float64) float64 {
	d := math.Pow(10, math.Floor(math.Log10(v)))
	switch {
	case v >= 5*d:
		return 5 * d
	case v >= 2*d:
		return 2 * d
	}
	return d
}

func above(v float64) float64 {
	d := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if v <= step*d {
			return step * d
		}
	}
	return 10 * d
}

func (a axis) place(v float64) float64 {
	low, high := a.min, a.max
	if a.log {
		v, low, high = math.Log(max(v, a.min)), math.Log(low), math.Log(high)
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// ticks are some ten round values of the axis.
func (a axis) ticks() (all []float64) {
	if !a.log {
		step := above((a.max - a.min) / 8)
		for i := math.Ceil(a.min / step); i*step <= a.max; i++ {
			all = append(all, i*step)
		}
		return all
	}
	steps := []float64{1, 2, 5}
	if math.Log10(a.max/a.min) > 2.5 {
		steps = []float64{1}
	}
	for d := math.Pow(10, math.Floor(math.Log10(a.min))); d <= a.max; d *= 10 {
		for _, step := range steps {
			if v := step * d; v >= a.min*0.999 && v <= a.max*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}
