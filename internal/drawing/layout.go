package drawing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
)

// The measures of the picture, in pixels.
const (
	width      = 960.0
	margin     = 12.0
	rowHeight  = 26.0
	barHeight  = 16.0
	levelStep  = 15.0 // between the labels of marks
	letter     = 0.62 // of a character's size, its width at most, of the fonts that are asked for
	small, big = 11.0, 15.0
)

// box is a rectangle.
type box struct{ x, y, w, h float64 }

func (b box) overlaps(o box) bool {
	return b.x < o.x+o.w && o.x < b.x+b.w && b.y < o.y+o.h && o.y < b.y+b.h
}

// label is a line of text whose baseline begins (or, by anchor, ends or has its middle) at x, y.
type label struct {
	x, y   float64
	size   float64
	anchor string // start, middle or end
	class  string
	text   string
	bar    *box // that it stands in; nil: it stands free
}

// box is the room that the label takes at most.
func (l label) box() box {
	w := wide(l.text, l.size)
	x := l.x
	switch l.anchor {
	case "middle":
		x -= w / 2
	case "end":
		x -= w
	}
	return box{x, l.y - l.size*0.8, w, l.size}
}

// wide is how wide a text is at most.
func wide(text string, size float64) float64 {
	var n float64
	for _, r := range text {
		n += letter
		if r >= 0x1100 { // such as those of Chinese
			n += 1 - letter
		}
	}
	return n * size
}

// fits is how many characters of a size a line of the picture holds.
func fits(size float64) int { return int((width - 2*margin) / (letter * size)) }

// bar, rule and zigzag are the other things in a picture.
type bar struct {
	box
	class, title string
}

type rule struct {
	x1, y1, x2, y2 float64
	class          string
}

// picture is a drawing that has been laid out.
type picture struct {
	width, height float64
	title         string
	bars          []bar
	rules         []rule
	zigzags       []box
	crosses       []box
	labels        []label
}

// layout places everything.
func layout(l *life) *picture {
	p := &picture{width: width}
	y := p.heading(l)
	units := l.units[:min(len(l.units), maxRows)]
	left := margin + 60
	for _, u := range units {
		left = max(left, margin+wide(clip(u.name, 24), small)+10)
	}
	tags := l.tags()
	right := margin // room for the labels of the last marks
	for _, f := range tags {
		right = max(right, 3+wide(f.text(), small)+margin)
	}
	panels := l.panels(left, width-right-left)
	y = p.marks(tags, panels, y, rowHeight*float64(len(units))+8)
	top := y + 8
	for i, u := range units {
		p.row(u, panels, top+rowHeight*float64(i))
	}
	y = top + rowHeight*float64(len(units))
	if more := len(l.units) - len(units); more > 0 {
		p.text(margin, y+12, small, "muted", fmt.Sprintf("… and %d more units", more))
		y += rowHeight
	}
	y = p.axis(panels, top-8, y)
	y = p.legend(y)
	p.height = p.notes(l, y)
	return p
}

func (p *picture) text(x, y, size float64, class, text string) {
	p.labels = append(p.labels, label{x: x, y: y, size: size, anchor: "start", class: class, text: text})
}

// heading is who, when and how.
func (p *picture) heading(l *life) (y float64) {
	p.title = "Life of a task"
	if l.service != "" {
		p.title = "Life of a task of " + l.service
	}
	p.text(margin, 26, big, "title", clip(p.title, fits(big)))
	when := ""
	if !l.began.IsZero() {
		when = l.began.UTC().Format(time.RFC1123) + ": "
		when = strings.Replace(when, "GMT", "UTC", 1)
	}
	p.text(margin, 45, small+1, "text", clip(when+l.headline(), fits(small+1)))
	return 58
}

// tag is the label of a mark, or of several that were reached together.
type tag struct {
	way   string
	names []string
	ms    float64
	since string // T0, in words
	x     float64
	level int
}

func (f *tag) text() string {
	names := f.names[0]
	if n := len(f.names); n > 1 {
		names += "–" + f.names[n-1]
	}
	return f.way + " " + names + " · " + f.since
}

// tags are the labels of all marks.
func (l *life) tags() []*tag {
	var out []*tag
	for _, m := range l.marks {
		since := span(m.ms - l.zero(m.way))
		if n := len(out); n > 0 && out[n-1].way == m.way && out[n-1].since == since && m.ms-out[n-1].ms < 1 {
			out[n-1].names = append(out[n-1].names, m.name)
			continue
		}
		out = append(out, &tag{way: m.way, names: []string{m.name}, ms: m.ms, since: since})
	}
	return out
}

// marks writes the marks above the rows, each with its time, and its line down through them.
// From right to left each label takes the lowest line where it meets no other one: so no line
// crosses a label, as a label begins at its own.
func (p *picture) marks(tags []*tag, panels []panel, y, below float64) float64 {
	for _, f := range tags {
		f.x = place(panels, f.ms)
	}
	slices.SortStableFunc(tags, func(a, b *tag) int { return cmp.Compare(b.x, a.x) })
	levels := 0
	for i, f := range tags {
		for _, o := range tags[:i] {
			if f.x+3+wide(f.text(), small)+4 > o.x {
				f.level = max(f.level, o.level+1)
			}
		}
		levels = max(levels, f.level+1)
	}
	bottom := y + levelStep*float64(levels)
	for _, f := range tags {
		base := bottom - levelStep*float64(f.level) - 3
		p.text(f.x+3, base, small, "text", f.text())
		p.rules = append(p.rules, rule{f.x, base - 9, f.x, bottom + below, "mark"})
	}
	return bottom
}

// place is where a time is; one that was left out is at the edge of what was.
func place(panels []panel, ms float64) float64 {
	for i, p := range panels {
		if ms <= p.to || i == len(panels)-1 {
			return p.at(min(max(ms, p.from), p.to))
		}
	}
	return 0
}

// row draws one unit.
func (p *picture) row(u *unit, panels []panel, y float64) {
	p.text(margin, y+barHeight-4, small, "text", clip(u.name, 24))
	class := map[kind]string{starting: "starts", up: "up", down: "down", stopping: "stops"}
	word := map[kind]string{starting: "starts in", up: "is up for", down: "is down for", stopping: "ends in"}
	phases := u.phases
	if n := len(phases); n > maxPhases {
		phases = slices.Concat(phases[:maxPhases/2], phases[n-maxPhases/2:])
	}
	for _, ph := range phases {
		var widest box
		for i, pa := range panels {
			from, to := max(ph.from, pa.from), min(ph.to, pa.to)
			if i < len(panels)-1 && ph.from < pa.to && ph.to > panels[i+1].from { // through what is left out
				p.bars = append(p.bars, bar{box{pa.x + pa.width - 0.5, y, breakWidth + 1, barHeight}, class[ph.kind], ""})
			}
			if from >= to {
				continue
			}
			least := 1.0
			if ph.kind == down { // it is what is looked for
				least = 2
			}
			b := box{pa.at(from), y, max(least, pa.at(to)-pa.at(from)), barHeight}
			p.bars = append(p.bars, bar{b, class[ph.kind], u.name + " " + word[ph.kind] + " " + span(ph.to-ph.from)})
			if b.w > widest.w {
				widest = b
			}
		}
		if text := span(ph.to - ph.from); ph.kind != up && wide(text, small-1)+6 < widest.w {
			p.labels = append(p.labels, label{widest.x + widest.w/2, y + barHeight - 4, small - 1, "middle", "in", text, &widest})
		}
	}
	for _, ms := range u.kills[:min(len(u.kills), maxPhases)] {
		p.crosses = append(p.crosses, box{place(panels, ms) - 4, y + barHeight/2 - 4, 8, 8})
	}
}

// axis draws what is left out, and below each panel its times.
func (p *picture) axis(panels []panel, top, y float64) float64 {
	from := 0.0 // where there is room
	for i, pa := range panels {
		p.rules = append(p.rules, rule{pa.x, y, pa.x + pa.width, y, "axis"})
		to := width
		if i < len(panels)-1 {
			x := pa.x + pa.width + breakWidth/2
			p.zigzags = append(p.zigzags, box{x - 7, top, 14, y - top + 4})
			left := label{x, y + 15, small - 1, "middle", "muted", span(panels[i+1].from - pa.to), nil}
			p.labels = append(p.labels, left)
			to = left.box().x
		}
		p.panelAxis(pa, y, from, to)
		from = to + wide(span(panels[min(i+1, len(panels)-1)].from-pa.to), small-1)
	}
	return y + 52
}

// panelAxis writes the times of one panel, and what they are counted from, as far as there is
// room between from and to.
func (p *picture) panelAxis(pa panel, y, from, to float64) {
	const apart = 6.0
	times, words := pa.ticks(62)
	for i, ms := range times {
		x := pa.at(ms)
		p.rules = append(p.rules, rule{x, y, x, y + 4, "axis"})
		l := label{x, y + 15, small - 1, "middle", "muted", words[i], nil}
		if b := l.box(); b.x > from+apart && b.x+b.w < to-apart {
			p.labels = append(p.labels, l)
			from = b.x + b.w
		}
	}
	if wide(pa.head, small-1) < pa.width+breakWidth-8 {
		p.text(pa.x, y+29, small-1, "muted", pa.head)
	}
}

// legend says what the colours and signs are that are there.
func (p *picture) legend(y float64) float64 {
	x := margin
	entry := func(there bool, text string, sign func(x float64)) {
		if there {
			sign(x)
			p.text(x+19, y, small, "text", text)
			x += 19 + wide(text, small) + 16
		}
	}
	for _, e := range [][2]string{{"starts", "starts"}, {"up", "up"}, {"down", "down: it ended unasked, or does not answer"}, {"stops", "stops"}} {
		there := slices.ContainsFunc(p.bars, func(b bar) bool { return b.class == e[0] })
		entry(there, e[1], func(x float64) { p.bars = append(p.bars, bar{box{x, y - 9, 14, 10}, e[0], ""}) })
	}
	entry(len(p.crosses) > 0, "sent KILL", func(x float64) { p.crosses = append(p.crosses, box{x + 3, y - 8, 8, 8}) })
	entry(len(p.zigzags) > 0, "time left out; each part has its own scale", func(x float64) {
		p.zigzags = append(p.zigzags, box{x + 2, y - 10, 10, 12})
	})
	return y + 20
}

// notes say what the marks mean that are there.
func (p *picture) notes(l *life, y float64) float64 {
	for _, way := range []string{event.Up, event.Down} {
		var parts []string
		for _, m := range l.marks {
			if m.way == way {
				parts = append(parts, m.name+" "+l.meaning(m.way, m.name))
			}
		}
		if len(parts) == 0 {
			continue
		}
		slices.Sort(parts)
		p.text(margin, y, small-1, "muted", way+": "+strings.Join(parts, " · "))
		y += 15
	}
	return y - 3
}
