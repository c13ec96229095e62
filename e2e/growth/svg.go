package main

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// The drawing: its size and the edges of the plot in it.
const (
	drawingWidth, drawingHeight = 760, 440
	leftEdge, rightEdge         = 78, 740
	bottomEdge                  = 376
	letter                      = 6.7 // width of a letter of 12 px, at most
)

// style is for light and dark: what a viewer without media queries draws is
// readable on both.
const style = `<style>
text { font: 12px sans-serif; fill: #6e7781; } .title { font-size: 15px; font-weight: bold; }
.grid { stroke: #8b949e; stroke-opacity: 0.3; } .axis { stroke: #8b949e; }
@media (prefers-color-scheme: light) { text { fill: #24292f; } }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de; } }
</style>
`

// colours are of a middle brightness, and told apart without red and green.
func colours() []string {
	return []string{"#3a86c8", "#d9772b", "#8e6bbf", "#2f9e8f", "#8a8a8a", "#c2547a"}
}

// shades are the colours of the lines: a dashed one has that of the line before it,
// whose peer it is.
func shades(lines []line) []string {
	var all []string
	next := -1
	for _, l := range lines {
		if !l.dashed || next < 0 {
			next++
		}
		all = append(all, colours()[next%len(colours())])
	}
	return all
}

// svg draws a chart.
func svg(c chart) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n<title>%s</title>\n",
		drawingWidth, drawingHeight, drawingWidth, drawingHeight, html.EscapeString(c.title))
	b.WriteString(style)
	words(&b, leftEdge, 22, "start", "title", c.title)
	top := legend(&b, c.lines) + 14
	var xs, ys []float64
	var sizes []int
	for _, l := range c.lines {
		for _, size := range l.sizes() {
			sizes, xs, ys = append(sizes, size), append(xs, float64(size)), append(ys, l.values[size]...)
		}
	}
	slices.Sort(sizes)
	x, y := newAxis(xs, c.logX, leftEdge, rightEdge), newAxis(ys, c.logY, bottomEdge, top)
	grid(&b, c, x, y, slices.Compact(sizes), top)
	shades := shades(c.lines)
	for i, l := range c.lines {
		curve(&b, l, shades[i], x, y)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// words writes a text at a point.
func words(b *strings.Builder, x, y float64, anchor, class, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(text))
}

// legend names the lines in rows below the title and returns the place below it.
func legend(b *strings.Builder, lines []line) float64 {
	x, y := float64(leftEdge), 44.0
	shades := shades(lines)
	for i, l := range lines {
		width := 34 + letter*float64(len([]rune(l.text()))) + 16
		if x > leftEdge && x+width > drawingWidth {
			x, y = leftEdge, y+18
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2"%s/>`+"\n",
			x, y-4, x+26, y-4, shades[i], l.dash())
		words(b, x+32, y, "start", "legend", l.text())
		x += width
	}
	return y
}

func (l line) text() string {
	if l.label != "" {
		return l.label
	}
	return l.name
}

func (l line) dash() string {
	if l.dashed {
		return ` stroke-dasharray="6,4"`
	}
	return ""
}

// grid draws both axes. The sizes are what the x axis names, as far as their names
// have room beside each other.
func grid(b *strings.Builder, c chart, x, y axis, sizes []int, top float64) {
	stroke := func(x1, y1, x2, y2 float64, class string) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
	}
	for _, v := range y.ticks() {
		at := y.place(v)
		stroke(leftEdge, at, rightEdge, at, "grid")
		words(b, leftEdge-7, at+4, "end", "tick", number(v))
	}
	free := 0.0 // where the next name may begin
	for _, size := range sizes {
		if c.logX && size <= 0 {
			continue
		}
		at, name := x.place(float64(size)), fmt.Sprint(size)
		stroke(at, bottomEdge, at, bottomEdge+5, "axis")
		if half := letter * float64(len(name)) / 2; at-half >= free {
			words(b, at, bottomEdge+19, "middle", "tick", name)
			free = at + half + 6
		}
	}
	stroke(leftEdge, bottomEdge, rightEdge, bottomEdge, "axis")
	stroke(leftEdge, top, leftEdge, bottomEdge, "axis")
	words(b, (leftEdge+rightEdge)/2, bottomEdge+44, "middle", "axis-title", scaled(c.x, c.logX))
	fmt.Fprintf(b, `<text transform="translate(18,%.1f) rotate(-90)" text-anchor="middle" class="axis-title">%s</text>`+"\n",
		(top+bottomEdge)/2, html.EscapeString(scaled(c.y, c.logY)))
}

func scaled(title string, log bool) string {
	if log {
		return title + ", logarithmic"
	}
	return title
}

// curve joins the medians; a thin stroke at each goes from the least to the largest.
func curve(b *strings.Builder, l line, colour string, x, y axis) {
	var points []string
	for _, size := range l.sizes() {
		if x.log && size <= 0 {
			continue
		}
		v := l.values[size]
		at, middle := x.place(float64(size)), y.place(median(v))
		points = append(points, fmt.Sprintf("%.1f,%.1f", at, middle))
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="1"/>`+"\n",
			at, y.place(slices.Min(v)), at, y.place(slices.Max(v)), colour)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", at, middle, colour)
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(points, " "), colour, l.dash())
}
