package journal

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"
)

func recorded() []Entry {
	at := func(ms float64, way, mark, unit, event, detail string) Entry {
		return Entry{At: time.Unix(0, int64(ms*1e6)), Ms: ms, Way: way, Mark: mark, Unit: unit, Event: event, Detail: detail}
	}
	return []Entry{
		at(10, Up, "T0", "envoy", Start, ""), at(10, Up, "T0", Task, Mark, ""), at(90, Up, "T1", "envoy", Step, "listener"),
		at(91, Up, "T1", "envoy", Ready, ""), at(95, Up, "T2", "app", Start, ""), at(95, Up, "T2", Task, Mark, ""),
		at(60000, Down, "", Task, Shutdown, "TERM"), at(60000, Down, "T0", Task, Mark, ""), at(60001, Down, "T0", "app", Stop, ""),
		at(60400, Down, "T0", "app", Ended, ""), at(60420, Down, "T1", "envoy", Ended, ""), at(60420, Down, "T3", Task, Mark, ""),
	}
}

func TestTextCountsFromEachWaysT0(t *testing.T) {
	got := Text(recorded())
	for _, want := range []string{"up    T0 0   T2 85 ms", "down  T0 0   T3 420 ms", "listener 80", "ended 400", "start 0"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestSVGIsWellFormedAndCutsTheMiddle(t *testing.T) {
	got := SVG(recorded())
	d := xml.NewDecoder(strings.NewReader(got))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in %s", err, got)
		}
	}
	if !strings.Contains(got, "59705 ms of the middle left out") || strings.Count(got, "<rect") < 3 {
		t.Error(got)
	}
}
