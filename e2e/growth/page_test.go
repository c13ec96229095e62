package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

func found() []section {
	ours, hand := newSeries("T0→T2", "ms"), newSeries("by hand", "ms")
	for size, v := range map[int][2]float64{1: {110, 100}, 10: {240, 200}, 100: {1200, 1000}} {
		ours.add(size, v[0])
		ours.add(size, v[0]+2)
		hand.add(size, v[1])
		hand.add(size, v[1])
	}
	worse := made(0, []int{1, 10, 100}, func(x float64) float64 { return x * x })
	known := made(0, []int{1, 10, 100}, func(x float64) float64 { return x * x })
	known.name, known.why = "known", "two CPUs."
	return []section{{title: "Upstreams", about: "One task.", after: "So it is.",
		tables: []table{{title: "Default", size: "upstreams", series: []*series{ours, hand, worse, known}, ratios: []ratio{{"÷ by hand", ours, hand, 1.15}, {"÷ nothing", ours, newSeries("none", ""), 1}}}},
		charts: []chart{{file: "benchmarks-upstreams.svg", title: "The start", x: "upstreams", y: "ms", lines: []line{{ours, "", false}}}}}}
}

func TestPage(t *testing.T) {
	in := setting{begun: time.Date(2026, 11, 29, 23, 0, 0, 0, time.UTC), took: 11*time.Minute + 200*time.Millisecond, machine: "Linux 6, 2 CPUs",
		load: "0.10 0.20 0.30", parts: "Consul 1, Envoy 2", command: "make bench"}
	got := page(in, found())
	for _, want := range []string{
		"`make bench` on 2026-11-29 in 11m0s; Linux 6, 2 CPUs; Consul 1, Envoy 2; load average 0.10 0.20 0.30",
		"## Upstreams\n\nOne task.\n\n![The start](benchmarks-upstreams.svg)\n\n### Default\n\n| upstreams | T0→T2, ms | by hand, ms | made, ms | known, ms | ÷ by hand |\n",
		"| 1 | 111 (110–112) | 100 | 1 | 1 | 1.11 (1.10–1.12) |\n",
		"\n÷ by hand: at most 1.15 is wanted; **missed** at 10 (1.21), 100 (1.20).\n",
		"| made | 2 |", "**faster than linearly**",
		"made grows faster than linearly: **not explained yet**.", "known grows faster than linearly: two CPUs.",
		"So it is.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "|") && strings.Contains(line, "NaN") {
			t.Errorf("a cell is no number: %s", line)
		}
	}
}

func TestWriteLeavesPageAndPlots(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, setting{}, found()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"benchmarks.md", "benchmarks-upstreams.svg"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(text) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := write(filepath.Join(dir, "none"), setting{}, nil); err == nil {
		t.Error("a folder that is not there was written to")
	}
}

// Who looks up a figure in the reference finds where the others are.
func TestBenchmarksAreLinked(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "](benchmarks.md)") {
		t.Error("docs/reference.md does not link to docs/benchmarks.md")
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(chapters()) {
		t.Errorf("nothing chosen: %d sections, %v", len(all), err)
	}
	if two, err := choose("stop,upstreams"); err != nil || len(two) != 2 || two[0].key != "stop" {
		t.Errorf("two chosen: %v, %v", two, err)
	}
	if _, err := choose("upstream"); err == nil || !strings.Contains(err.Error(), "upstreams") {
		t.Errorf("an unknown one: %v", err)
	}
}
