package main

import (
	"math"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing is %v", got)
	}
}

func TestExponentAndSlope(t *testing.T) {
	x := []float64{1, 2, 5, 10, 50}
	for _, p := range []float64{0, 0.5, 1, 2} {
		var y []float64
		for _, v := range x {
			y = append(y, 3*math.Pow(v, p))
		}
		if got := exponent(x, y); math.Abs(got-p) > 1e-9 {
			t.Errorf("exponent of 3·x^%v is %v", p, got)
		}
	}
	if offset, slope := fit([]float64{0, 1, 2}, []float64{5, 7, 9}); math.Abs(offset-5) > 1e-9 || math.Abs(slope-2) > 1e-9 {
		t.Errorf("a line of 5 + 2x is taken for %v + %vx", offset, slope)
	}
	if got := exponent([]float64{0, 1, 2}, []float64{9, 4, 8}); math.Abs(got-1) > 1e-9 {
		t.Errorf("a size of 0 has no logarithm; the exponent of the others is %v", got)
	}
	if got := exponent([]float64{1}, []float64{1}); !math.IsNaN(got) {
		t.Errorf("one point has the exponent %v", got)
	}
}

// made is a series with two rounds at each size, noise apart.
func made(noise float64, sizes []int, f func(float64) float64) *series {
	s := newSeries("made", "ms")
	for _, size := range sizes {
		s.add(size, f(float64(size))-noise/2)
		s.add(size, f(float64(size))+noise/2)
	}
	return s
}

func TestVerdicts(t *testing.T) {
	sizes := []int{1, 20, 50, 100, 200}
	for name, c := range map[string]struct {
		s    *series
		want string
	}{
		"constant":                    {made(20, sizes, func(float64) float64 { return 250 }), flat},
		"less than a tenth":           {made(1, sizes, func(x float64) float64 { return 250 + x/10 }), flat},
		"falls":                       {made(1, sizes, func(x float64) float64 { return 250 - x }), flat},
		"a line":                      {made(20, sizes, func(x float64) float64 { return 250 + 3*x }), linear},
		"a line from nothing":         {made(0, []int{0, 10, 100}, func(x float64) float64 { return 3 * x }), linear},
		"a square under a constant":   {made(20, sizes, func(x float64) float64 { return 1000 + x*x/50 }), faster},
		"a root":                      {made(1, sizes, func(x float64) float64 { return 10 * math.Sqrt(x) }), slower},
		"seen at the last size alone": {made(250, sizes, func(x float64) float64 { return 250 + x }), unsure},
		"a bend, then a line":         {made(0, []int{1, 2, 5, 10, 20}, func(x float64) float64 { return 250 + x + 200*max(0, x-2) }), bent},
		"a line, then a square":       {made(0, sizes, func(x float64) float64 { return 10*x + x*x/8 }), faster},
		"below the spread":            {made(900, sizes, func(x float64) float64 { return 250 + x }), hidden},
		"two sizes":                   {made(1, []int{1, 20}, func(x float64) float64 { return x * x }), unsure},
		"one size":                    {made(1, []int{1}, func(x float64) float64 { return x }), flat},
	} {
		if got := grown(c.s); got.verdict != c.want {
			t.Errorf("%s: %q (exponent of what is added %v), want %q", name, got.verdict, got.added, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3: "3", 0.01234: "0.012", 0.456: "0.46", 12.345: "12.3", 123.4: "123", 20000: "20000", math.NaN(): "–", math.Inf(1): "–"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %q, want %q", v, got, want)
		}
	}
}
