package journal

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
)

func recorded() []event.Entry {
	at := func(ms float64, way, mark, unit string, e event.Event) event.Entry {
		return event.Entry{At: time.Unix(0, int64(ms*1e6)), Ms: ms, Way: way, Mark: mark, Unit: unit, Event: e}
	}
	up, down := event.Up, event.Down
	return []event.Entry{
		at(10, up, "T0", "envoy", event.Start{}), at(10, up, "T0", event.Task, event.Mark{Name: "T0"}), at(90, up, "T1", "envoy", event.Listener{}),
		at(91, up, "T1", "envoy", event.Ready{}), at(95, up, "T2", "app", event.Start{}), at(95, up, "T2", event.Task, event.Mark{Name: "T2"}),
		at(60000, down, "", event.Task, event.Shutdown{Cause: "TERM"}), at(60000, down, "T0", event.Task, event.Mark{Name: "T0"}), at(60001, down, "T0", "app", event.Stop{}),
		at(60400, down, "T0", "app", event.Ended{}), at(60420, down, "T1", "envoy", event.Ended{}), at(60420, down, "T3", event.Task, event.Mark{Name: "T3"}),
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
