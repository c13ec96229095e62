package main

import (
	"os"
	"strings"
	"testing"
)

// docs/versions.md is what the results say, and nothing else.
func TestPageIsOfTheResults(t *testing.T) {
	text, err := os.ReadFile("../../docs/versions.md")
	if want := page(load(t), listed(t, "consul"), listed(t, "envoy")); err != nil || string(text) != want {
		t.Errorf("docs/versions.md is not what the results say (%v): run make matrix MATRIX=--page", err)
	}
}

func TestPage(t *testing.T) {
	r := &record{}
	c := cell{Consul: "1.22.7", Envoy: "1.36.4"}
	r.put(cell{Consul: "1.22.7", Envoy: "1.40.0"}, "tests", result{Note: "TestA TestB"})
	r.put(c, "life", result{Note: "broken"})
	r.put(c, "life", result{OK: true, Ratios: &ratios{Up: []float64{1, 1.2, 0.8}, Down: []float64{2}}})
	r.put(c, "soak", result{OK: true, Note: "20s: 0 of 9000 requests were lost"})
	r.put(cell{Consul: "1.22.7", Envoy: "1.38.3"}, "e2e", result{Note: "TestDocs TestDocs/gateways"})
	r.put(cell{Consul: "1.22.7", Envoy: "1.38.3"}, "bootstrap", result{OK: true})
	r.put(cell{Consul: "1.22.7", Envoy: "1.39.3"}, "e2e", result{Note: "TestA"})
	r.put(cell{Consul: "1.22.7", Envoy: "1.36.4", Server: "1.18.2"}, "life", result{OK: true})
	text := page(r, []string{"1.18.2", "1.22.7"}, []string{"1.36.4"})
	for _, want := range []string{
		"| 1.22.7 | 1.36.4 | ok (run 2) | – | – | – | – | – | – | – | ok, 20s, 0 of 9000 lost | – | 1.00 (0.80–1.20) | 2.00 (2.00–2.00) |",
		"| 1.22.7 | 1.38.3 | – | in e2e | in e2e | in e2e | in e2e | in e2e | ok | – | – | all but TestDocs/gateways | – | – |",
		"| 1.22.7 | 1.39.3 | – | – | – | – | – | – | – | – | – | **TestA** | – | – |",
		"| 1.22.7 | 1.40.0 | – | **TestA TestB** | – ",
		"| 1.22.7 | 1.18.2 | 1.36.4 | ok | – ",
		"| Consul 1.18.2 | in the list of",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Index(text, "| 1.22.7 | 1.36.4 |") > strings.Index(text, "| 1.22.7 | 1.40.0 |") {
		t.Error("the rows are not in order")
	}
}

func TestOlder(t *testing.T) {
	for _, c := range [][2]string{{"1.9.0", "1.10.0"}, {"1.36.2", "1.36.10"}, {"1.22.6", "1.22.7"}, {"1.22.7", "2.0.0"}} {
		if older(c[0], c[1]) >= 0 || older(c[1], c[0]) <= 0 || older(c[0], c[0]) != 0 {
			t.Errorf("%v", c)
		}
	}
}

func TestUnknown(t *testing.T) {
	for note, want := range map[string][2]int{"TestDocs TestDocs/gateways": {0, 1}, "TestDocs TestDocs/gateways TestDocs/start": {1, 1}, "TestDocs": {1, 0}, "": {0, 0}} {
		others, explained := unknown("1.22.7", note)
		if len(others) != want[0] || len(explained) != want[1] {
			t.Errorf("%q: %v and %v", note, others, explained)
		}
	}
	if others, _ := unknown("1.20.6", "TestDocs TestDocs/gateways"); len(others) != 1 {
		t.Errorf("another Consul: %v", others)
	}
}
