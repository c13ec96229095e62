package drawing

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

func life1(name string) *told {
	t := &told{}
	lives()[name](t)
	return t
}

// No label meets another one, leaves the picture, or the bar that it stands in.
func TestLabelsAreReadable(t *testing.T) {
	for name := range lives() {
		for _, now := range []time.Time{{}, began().Add(5 * time.Hour)} {
			p := layout(read(life1(name).entries, now))
			for i, l := range p.labels {
				b := l.box()
				if b.x < 0 || b.y < 0 || b.x+b.w > p.width || b.y+b.h > p.height {
					t.Errorf("%s: %q leaves the picture: %.0f×%.0f has no room for %+v", name, l.text, p.width, p.height, b)
				}
				if l.bar != nil && (b.x < l.bar.x || b.x+b.w > l.bar.x+l.bar.w) {
					t.Errorf("%s: %q leaves its bar", name, l.text)
				}
				for _, o := range p.labels[i+1:] {
					if b.overlaps(o.box()) {
						t.Errorf("%s: %q and %q overlap: %+v, %+v", name, l.text, o.text, b, o.box())
					}
				}
				for _, r := range p.rules {
					if r.class == "mark" && r.x1 > b.x+1 && r.x1 < b.x+b.w && r.y1 < b.y+b.h && r.y2 > b.y && l.bar == nil {
						t.Errorf("%s: the line at %.0f crosses %q", name, r.x1, l.text)
					}
				}
			}
			for _, b := range p.bars {
				if b.x < 0 || b.x+b.w > p.width || b.y+b.h > p.height || b.w <= 0 {
					t.Errorf("%s: a bar leaves the picture: %+v", name, b)
				}
			}
		}
	}
}

// Every picture is XML, has all that it needs to be read, and both colourings.
func TestSVG(t *testing.T) {
	for name := range lives() {
		got := SVG(life1(name).entries, time.Time{})
		d := xml.NewDecoder(strings.NewReader(got))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v in %s", name, err, got)
			}
		}
		if !strings.Contains(got, "prefers-color-scheme:dark") || !strings.Contains(got, `class="ground"`) || !strings.Contains(got, "</text>") {
			t.Errorf("%s: no ground, colours or legend:\n%s", name, got)
		}
		if dir := os.Getenv("DRAWINGS"); dir != "" { // to look at
			if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".svg"), []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What the pictures have in their middle: nothing for long is left out and said, a wait is not.
func TestBreaks(t *testing.T) {
	for name, want := range map[string]string{"short": "4.4 s", "long": "1 h 59 min", "restart": "3.7 s", "siblings": "59 min 18 s"} {
		if got := SVG(life1(name).entries, time.Time{}); !strings.Contains(got, ">"+want+"</text>") {
			t.Errorf("%s: no %q is said to be left out:\n%s", name, want, got)
		}
	}
	for name, want := range map[string]int{"short": 2, "restart": 3, "long": 2, "long, with restarts": 4, "job": 1, "no mesh": 1, "nothing": 1} {
		if got := len(read(life1(name).entries, time.Time{}).panels(0, 800)); got != want {
			t.Errorf("%s: %d parts, want %d", name, got, want)
		}
	}
	for name := range lives() {
		last := 0.0
		for i, p := range read(life1(name).entries, time.Time{}).panels(0, 800) {
			if i > 0 && p.from < last || p.to <= p.from {
				t.Errorf("%s: part %d is %v, the one before it ends at %v", name, i, p, last)
			}
			last = p.to
		}
	}
}

// The marks have their ms, and those that are reached together one label.
func TestMarks(t *testing.T) {
	got := SVG(life1("short").entries, time.Time{})
	for _, want := range []string{">up T1 · 186 ms<", ">up T2 · 367 ms<", ">down T1 · 1.4 s<", ">down T2–T3 · 3.2 s<", ">Life of a task of web<", "up in 367 ms, ran 4.5 s, stopped in 3.2 s (TERM), exit 0", "T1 the service is registered, Envoy starts"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// The texts are as they are in testdata.
func TestText(t *testing.T) {
	for name := range lives() {
		got := Text(life1(name).entries, time.Time{})
		file := filepath.Join("testdata", strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

// Of a task that lives, the time until now is part of its life.
func TestNow(t *testing.T) {
	up := &told{}
	up.starts(true)
	now := began().Add(2*time.Hour + 5*time.Second)
	if got := Text(up.entries, now); !strings.Contains(got, "web: up in 367 ms, runs for 2 h 0 min\n") {
		t.Error(got)
	}
	if got := SVG(up.entries, now); !strings.Contains(got, "runs for 2 h 0 min") {
		t.Error(got)
	}
	if got := Text(life1("short").entries, now); !strings.Contains(got, "stopped in 3.2 s (TERM), exit 0\n") {
		t.Error(got)
	}
}

// A record with more than a reader keeps takes as many steps, not their square: that would take
// hours. Of what is in it, as much is drawn as anybody reads.
func TestADrawingIsLinear(t *testing.T) {
	units := make([]event.Entry, 200_000)
	for i := range units {
		units[i] = event.Entry{Ms: float64(i) * 500, Unit: fmt.Sprint("unit", i), Event: event.Start{}}
	}
	restarts := []event.Entry{{Unit: "app", Event: event.Start{}}, {Unit: "app", Event: event.Ready{}}}
	for i := range 100_000 {
		restarts = append(restarts, event.Entry{Ms: float64(i) * 500, Unit: "app", Event: event.Restart{}},
			event.Entry{Ms: float64(i)*500 + 200, Unit: "app", Event: event.Serving{Again: true}}, event.Entry{Ms: float64(i) * 500, Unit: "app", Event: event.Killed{}})
	}
	for _, entries := range [][]event.Entry{units, restarts} {
		if got := SVG(entries, time.Time{}); len(got) > 1<<20 {
			t.Errorf("a picture of %d bytes", len(got))
		}
		if got := Text(entries, time.Time{}); len(got) > 1<<13 {
			t.Errorf("a text of %d bytes", len(got))
		}
	}
}
