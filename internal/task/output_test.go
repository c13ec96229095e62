package task

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/linewriter"
	"meshtask/internal/plan"
	"meshtask/lifecycle"
)

func TestEveryLineHasTimeAndLevel(t *testing.T) {
	now := time.Date(2026, 11, 29, 3, 4, 5, 678e6, time.UTC)
	for line, want := range map[string]string{
		"main: all dependencies initialized":            "2026-11-29T03:04:05.678Z [WARN]  main: all dependencies initialized",
		"2026-11-29T03:04:05.111Z [ERROR] agent: it is": "2026-11-29T03:04:05.111Z [ERROR] agent: it is",
		"": "2026-11-29T03:04:05.678Z [WARN]  ",
	} {
		if got := dated(line, hclog.Warn, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What every healthy life prints is harmless for as long as it is that, and not longer.
func TestKnownLines(t *testing.T) {
	tk := &task{book: journal.New(time.Now())}
	sync := `2026-11-29T03:04:05.111Z [ERROR] agent.anti_entropy: failed to sync remote state: error="No known Consul servers"`
	closed := "config: DeltaAggregatedResources gRPC config stream to local_agent closed: 13, x"
	is := func(child, line string, want bool) {
		t.Helper()
		if got := tk.harmless(child, line); got != want {
			t.Errorf("%s: %q: %v, want %v", child, line, got, want)
		}
	}
	is("consul-agent", sync, true)
	is("envoy", sync, false)
	is("envoy", closed, false)
	tk.book.Report(string(lifecycle.ConsulAgent))(event.Joined{})
	is("consul-agent", sync, false)
	tk.book.Report(event.Task)(event.Shutdown{Cause: "TERM"})
	is("envoy", closed, true)
	is("envoy", strings.Replace(closed, "local_agent", "consul_servers", 1), true)
	is("envoy", "main: There is no configured limit to the number of allowed active downstream connections. Configure", true)
	is("envoy", "config: listener 'x' failed to bind", false)
	for _, k := range knownLines() {
		if k.reason == "" || k.part == "" || k.when == nil {
			t.Errorf("%+v", k)
		}
	}
}

// A log level of warn holds for children; a finer one leaves theirs alone.
func TestTheLogLevelHoldsForChildren(t *testing.T) {
	for level, want := range map[hclog.Level]string{hclog.Error: "e", hclog.Warn: "we", hclog.Info: "tdiwe", hclog.Debug: "tdiwe"} {
		file, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		out := linewriter.New(file)
		log := hclog.New(&hclog.LoggerOptions{Level: level, Output: io.Discard})
		tk := &task{plan: &plan.Plan{}, d: Deps{Log: log, Out: out}, book: journal.New(time.Now())}
		print := tk.childOutput("envoy", hclog.Trace)
		for text, of := range map[string]hclog.Level{"t": hclog.Trace, "d": hclog.Debug, "i": hclog.NoLevel, "w": hclog.Warn, "e": hclog.Error} {
			print(1, of, text)
		}
		out.Close(time.Minute)
		printed, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, text := range []string{"t", "d", "i", "w", "e"} {
			if strings.Contains(string(printed), "] "+text+"\n") || strings.Contains(string(printed), "]  "+text+"\n") {
				got.WriteString(text)
			}
		}
		if got.String() != want {
			t.Errorf("%v: %q is printed, want %q:\n%s", level, got.String(), want, printed)
		}
	}
}
