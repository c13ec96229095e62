package e2e

import (
	"fmt"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// BenchmarkJob measures what a job costs beyond its start and its own run: at most a second.
func BenchmarkJob(b *testing.B) {
	const own, budget = 500 * time.Millisecond, time.Second
	server := harness.StartServer(b, harness.ServerConfig{})
	program := harness.Plain(b)
	var sum time.Duration
	for b.Loop() {
		m := job(b, server, "cost", nil)
		began := time.Now()
		m.Task = harness.StartTask(b, harness.TaskConfig{Name: "cost", Binary: program, Config: m.config, Args: []string{"run", "--job"},
			CMD: []string{"sleep", fmt.Sprint(own.Seconds())}})
		if code := m.Wait(b, soon); code != 0 {
			b.Fatalf("exit %d:\n%s", code, m.Tail(30))
		}
		sum += time.Since(began) - own - time.Duration(m.Summary(b).Marks.Up["T2"]*float64(time.Millisecond))
	}
	mean := sum / time.Duration(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(mean.Seconds(), "s-beyond")
	if mean > budget {
		b.Errorf("%v beyond start and run, want at most %v", mean, budget)
	}
}
