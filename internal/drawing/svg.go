package drawing

import (
	"fmt"
	"html"
	"strings"
	"time"

	"meshtask/internal/event"
)

// SVG is the measured life of a task as a picture. It carries its own ground and both its
// colourings, light and dark, of which a viewer takes the one that its reader wants. now is as
// in Text.
func SVG(entries []event.Entry, now time.Time) string {
	return layout(read(entries, now)).svg()
}

// style has the colours of a light page, and those of a dark one.
const style = `<style>
text{font-family:system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
.ground{fill:#ffffff;stroke:#d1d9e0}.text,.title{fill:#1f2328}.title{font-weight:600}.muted{fill:#59636e}.in{fill:#1f2328}
.starts{fill:#b6bfc9}.up{fill:#6cc085}.down{fill:#e5534b}.stops{fill:#e3b341}
.mark{stroke:#59636e;stroke-dasharray:2,3}.axis{stroke:#8c959f}.gap{fill:#ffffff}.zig{stroke:#59636e;fill:none}.kill{stroke:#1f2328;stroke-width:2}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117;stroke:#3d444d}.text,.title{fill:#f0f6fc}.muted{fill:#9198a1}.in{fill:#f0f6fc}
.starts{fill:#57606a}.up{fill:#2c7a45}.down{fill:#b62324}.stops{fill:#845306}
.mark{stroke:#9198a1}.axis{stroke:#656c76}.gap{fill:#0d1117}.zig{stroke:#9198a1}.kill{stroke:#f0f6fc}}
</style>
`

func (p *picture) svg() string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">`, p.width, p.height, p.width, p.height)
	put(`<title>%s</title>`, html.EscapeString(p.title))
	b.WriteString(style)
	put(`<rect class="ground" x="0.5" y="0.5" width="%.0f" height="%.0f" rx="6"/>`, p.width-1, p.height-1)
	for _, r := range p.bars {
		if r.title == "" {
			put(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, r.class, r.x, r.y, r.w, r.h)
			continue
		}
		put(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`, r.class, r.x, r.y, r.w, r.h, html.EscapeString(r.title))
	}
	for _, z := range p.zigzags {
		put(`<path class="gap" d="%sL%.1f %.1f%sZ"/>`, zigzag("M", z.x, z.y, z.y+z.h), z.x+z.w, z.y+z.h, zigzag("L", z.x+z.w, z.y+z.h, z.y))
		put(`<path class="zig" d="%s%s"/>`, zigzag("M", z.x, z.y, z.y+z.h), zigzag("M", z.x+z.w, z.y, z.y+z.h))
	}
	for _, r := range p.rules {
		put(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, r.class, r.x1, r.y1, r.x2, r.y2)
	}
	for _, c := range p.crosses {
		put(`<path class="kill" d="M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1f"/>`, c.x, c.y, c.x+c.w, c.y+c.h, c.x+c.w, c.y, c.x, c.y+c.h)
	}
	for _, t := range p.labels {
		put(`<text class="%s" x="%.1f" y="%.1f" font-size="%.0f" text-anchor="%s">%s</text>`, t.class, t.x, t.y, t.size, t.anchor, html.EscapeString(t.text))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// zigzag is a line from one height to another, broken as what it stands for.
func zigzag(begin string, x, from, to float64) string {
	const tooth = 6.0
	var b strings.Builder
	fmt.Fprintf(&b, "%s%.1f %.1f", begin, x, from)
	down := to > from
	for y, side := from, 1.0; down && y < to || !down && y > to; side = -side {
		if down {
			y = min(y+tooth, to)
		} else {
			y = max(y-tooth, to)
		}
		fmt.Fprintf(&b, "L%.1f %.1f", x+side*1.5, y)
	}
	return b.String()
}
