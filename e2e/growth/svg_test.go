package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// charts are the shapes that the sections make.
func shapes() map[string]chart {
	long := made(40, []int{1, 20, 50, 100, 200}, func(x float64) float64 { return 200 + 100*x })
	short := made(10, []int{1, 20, 50, 100, 200}, func(x float64) float64 { return 200 + 3*x })
	zero := made(0, []int{0, 10, 100, 500}, func(x float64) float64 { return x })
	return map[string]chart{
		"both logarithmic": {title: `T0→T2 <"&'> upstreams`, x: "upstreams", y: "T0→T2, ms", logX: true, logY: true,
			lines: []line{{long, "whole document", false}, {long, "whole, by hand", true}, {short, "default document", false}, {short, "a name that has no room in the row", true}}},
		"linear":                   {title: "linear", x: "upstreams", y: "ms", lines: []line{{long, "", false}, {short, "", true}}},
		"from zero":                {title: "from zero", x: "requests", y: "ms", lines: []line{{zero, "", false}}},
		"without a place for zero": {title: "zero", x: "requests", y: "ms", logX: true, logY: true, lines: []line{{zero, "", false}}},
		"nothing":                  {title: "nothing", x: "requests", y: "ms", lines: []line{{newSeries("none", ""), "", false}}},
	}
}

func TestDrawingIsWellFormed(t *testing.T) {
	for name, c := range shapes() {
		text := svg(c)
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in\n%s", name, err, text)
			}
		}
		for _, bad := range []string{"NaN", "Inf"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: a place is %s", name, bad)
			}
		}
		for _, want := range []string{"prefers-color-scheme: dark", `class="title"`, `class="axis-title"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
	}
}

// box is where a text lies, estimated as the drawing does.
type box struct {
	left, right, base float64
	text              string
}

func boxes(t *testing.T, text string) (all []box) {
	t.Helper()
	var drawing struct {
		Texts []struct {
			X      float64 `xml:"x,attr"`
			Y      float64 `xml:"y,attr"`
			Anchor string  `xml:"text-anchor,attr"`
			Class  string  `xml:"class,attr"`
			Turned string  `xml:"transform,attr"`
			Text   string  `xml:",chardata"`
		} `xml:"text"`
	}
	if err := xml.Unmarshal([]byte(text), &drawing); err != nil {
		t.Fatal(err)
	}
	for _, w := range drawing.Texts {
		if w.Turned != "" {
			continue
		}
		width := letter * float64(len([]rune(w.Text)))
		if w.Class == "title" {
			width *= 1.3
		}
		left := map[string]float64{"start": w.X, "middle": w.X - width/2, "end": w.X - width}[w.Anchor]
		all = append(all, box{left, left + width, w.Y, w.Text})
	}
	return all
}

func TestLabelsDoNotOverlap(t *testing.T) {
	for name, c := range shapes() {
		all := boxes(t, svg(c))
		for i, a := range all {
			if a.left < 0 || a.right > drawingWidth || a.base > drawingHeight {
				t.Errorf("%s: %q is outside of the drawing: %v", name, a.text, a)
			}
			for _, b := range all[:i] {
				if math.Abs(a.base-b.base) < 11 && a.left < b.right && b.left < a.right {
					t.Errorf("%s: %q lies on %q", name, a.text, b.text)
				}
			}
		}
	}
}

func TestAxis(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		log    bool
		least  int
	}{
		"linear": {[]float64{3, 250}, false, 4}, "none": {nil, false, 2}, "same": {[]float64{7, 7}, true, 2}, "zeros": {[]float64{0, 0}, false, 2},
		"decades": {[]float64{0.7, 20_000}, true, 4}, "near": {[]float64{240, 260}, true, 2}, "exact": {[]float64{100, 1000}, true, 4}, "none, log": {nil, true, 2},
	} {
		a := newAxis(c.values, c.log, 0, 100)
		for _, v := range c.values {
			if p := a.place(v); p < -0.01 || p > 100.01 {
				t.Errorf("%s: %v has the place %v", name, v, p)
			}
		}
		ticks := a.ticks()
		if len(ticks) < c.least || len(ticks) > 12 {
			t.Errorf("%s: ticks %v", name, ticks)
		}
		for _, v := range ticks {
			if p := a.place(v); p < -0.01 || p > 100.01 {
				t.Errorf("%s: the tick %v is outside: %v", name, v, p)
			}
		}
	}
	if a := newAxis([]float64{1, 100}, true, 0, 100); fmt.Sprint(strconv.FormatFloat(a.place(10), 'f', 3, 64)) != "50.000" {
		t.Errorf("10 is at %v of 1 to 100", a.place(10))
	}
}
