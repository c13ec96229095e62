package e2e

import (
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// What the contract promises of a stop that something holds: the exit comes heldReserve before
// ECS's KILL, and no instance passes in the catalog from heldCatalog behind it on.
const (
	heldTimeout = 10 * time.Second
	heldReserve = 500 * time.Millisecond
	heldCatalog = 3 * time.Second
)

// BenchmarkHeldStops stops tasks of which something does not end, and measures how much of the
// stopTimeout they take: an app that ignores TERM, this and an Envoy that stands still, an agent
// that stands still.
func BenchmarkHeldStops(b *testing.B) {
	for _, held := range []struct {
		what, frozen string
		app          []string
		code         int
	}{
		{"app", "", []string{"--term", "ignore"}, 137},
		{"app and envoy", "envoy", []string{"--term", "ignore"}, 137},
		{"agent", "consul-agent", nil, 0},
	} {
		b.Run(held.what, func(b *testing.B) {
			server := harness.StartServer(b, harness.ServerConfig{})
			var most, clean time.Duration
			for range max(1, min(b.N, 3)) { // each takes its ten seconds
				m := prepare(b, server, "held", "held", func(c map[string]any) {
					c["shutdown"] = map[string]any{"stopTimeout": heldTimeout.String()}
				})
				m.Task = harness.StartTask(b, harness.TaskConfig{Name: "held", Binary: harness.Plain(b), Config: m.config,
					CMD: append([]string{harness.App(b), "--name", "held", "--listen", m.address + ":8080"}, held.app...)})
				m.up(b)
				if held.frozen != "" {
					freeze(b, m.pid(b, held.frozen, 1))
				}
				began := time.Now()
				m.term(b)
				if code := m.Wait(b, soon); code != held.code {
					b.Errorf("exit %d, want %d:\n%s", code, held.code, m.Tail(30))
				}
				ended := time.Now()
				m.unpassing(b, server, "held")
				most, clean = max(most, ended.Sub(began)), max(clean, time.Since(ended))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(most.Seconds()/heldTimeout.Seconds(), "of-stopTimeout")
			b.ReportMetric(float64(clean.Milliseconds()), "ms-to-clean")
			if most > heldTimeout-heldReserve || clean > heldCatalog {
				b.Errorf("the longest stop took %v, and the catalog %v", most, clean)
			}
		})
	}
}
