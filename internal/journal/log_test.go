package journal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// told writes a life as the task's log has it.
func told(json bool) string {
	var out bytes.Buffer
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC) // all at once, whatever the machine does
	log := hclog.New(&hclog.LoggerOptions{Name: "meshtask", Output: &out, JSONFormat: json, Level: hclog.Debug,
		TimeFormat: "2006-01-02T15:04:05.000Z07:00", TimeFn: func() time.Time { return at }})
	out.WriteString("a line of the app {\"unit\":\"app\"} {\n")
	log.Info("plan", "stop", "30s = propagation 1s + …")
	log.Debug("start", "unit", "consul-agent", "mark", "up T0")
	log.Info("mark", "reached", "up T0", "ms", 21.5)
	log.Named("envoy").Info("ready", "unit", "envoy", "mark", "up T1") // a child's word, not ours
	log.Info("joined", "unit", "consul-agent", "mark", "up T0", "kills", 3)
	log.Info("waiting", "unit", "envoy", "for", "envoy to listen on :20000", "since", "5s", "error", `a "b": c`, "hint", "")
	log.Warn("restart", "unit", "envoy", "mark", "up T1", "restart", 1, "reason", "envoy (pid 5) exited with 1")
	log.Error("a process outlives the task", "unit", "app", "error", "x")
	log.Info("shutdown", "cause", "envoy: it ended")
	log.Info("ended", "unit", "envoy", "mark", "down T1", "how", "first line\nsecond = line")
	log.Error("the task ends", "exit", 206, "unit", "envoy", "error", "restart budget spent")
	if json {
		log.Info("summary", "exit", 206, "reason", "envoy: it ended", "marks", map[string]any{})
	} else {
		log.Info(`summary: {"exit":206,"reason":"envoy: it ended","marks":{"up":{"T0":21.5}}}`)
	}
	return out.String()
}

// What the log says of a life is what the record has of it.
func TestALogIsReadBack(t *testing.T) {
	want := []Entry{
		{Way: Up, Mark: "T0", Unit: "consul-agent", Event: Start},
		{Way: Up, Mark: "T0", Unit: Task, Event: Mark},
		{Way: Up, Mark: "T0", Unit: "consul-agent", Event: Step, Detail: "joined", Data: map[string]any{"kills": 3.0}},
		{Way: Up, Unit: "envoy", Event: Waiting, Detail: "envoy to listen on :20000", Data: map[string]any{"since": "5s", "error": `a "b": c`, "hint": ""}},
		{Way: Up, Mark: "T1", Unit: "envoy", Event: Restart, Detail: "envoy (pid 5) exited with 1", Data: map[string]any{"restart": 1.0}},
		{Way: Down, Unit: Task, Event: Shutdown, Detail: "envoy: it ended"},
		{Way: Down, Mark: "T1", Unit: "envoy", Event: Ended, Detail: "first line\nsecond = line"},
		{Way: Down, Unit: Task, Event: Exit, Detail: "restart budget spent", Data: map[string]any{"code": 206.0, "exit": 206.0, "unit": "envoy"}},
	}
	for _, json := range []bool{false, true} {
		record, err := Read(strings.NewReader(told(json)))
		if err != nil {
			t.Fatal(err)
		}
		got := record.Entries
		if got[1].Ms != 21.5 || got[0].Ms > 21.5 || got[len(got)-1].Ms < 21.5 {
			t.Errorf("json %v: times %v, %v, %v", json, got[0].Ms, got[1].Ms, got[len(got)-1].Ms)
		}
		for i := range got {
			got[i].Ms, got[i].At = 0, want[0].At
			if len(got[i].Data) == 0 {
				got[i].Data = nil
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("json %v: %s", json, diff)
		}
	}
}

// A log leaves starts out; whoever was ready, or ended, is drawn all the same.
func TestALogIsDrawn(t *testing.T) {
	record, err := Read(strings.NewReader(told(false)))
	if err != nil {
		t.Fatal(err)
	}
	entries := record.Entries
	text := Text(entries)
	for _, want := range []string{"up    T0 0 ms", "envoy ", "start –", "joined 0"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if svg := SVG(entries); !strings.Contains(svg, "consul-agent") {
		t.Error(svg)
	}
}

// A good life has no error line: the summary has its code.
func TestTheSummaryTellsTheExit(t *testing.T) {
	log := `2026-11-25T00:00:00.100Z [INFO]  meshtask: mark: reached="up T0" ms=20
2026-11-25T00:00:02.100Z [INFO]  meshtask: summary: {"exit":3,"reason":"TERM"}
`
	record, err := Read(strings.NewReader(strings.ReplaceAll(log, "2026-11", "web/app/0815 2026-11"))) // as a log router has it
	got := record.Entries
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if e := got[1]; e.Event != Exit || e.Int("code") != 3 || e.Detail != "TERM" || e.Ms != 2020 {
		t.Errorf("%+v", e)
	}
}

// What ended before its record began is one line, or a list below it.
func TestAFailureBeforeTheRecordIsReadBack(t *testing.T) {
	record, err := Read(strings.NewReader("meshtask: bad configuration in web.json:\n  service.port: must be 1–65535\n  x: unknown key\nanother line\n  not of it\n"))
	got := record.Entries
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if want := "bad configuration in web.json:\nservice.port: must be 1–65535\nx: unknown key"; got[0].Detail != want || got[0].Event != Exit {
		t.Errorf("%+v", got[0])
	}
}

// An app may print what it likes, also beside our lines.
func TestForeignLinesDoNotMatter(t *testing.T) {
	long := strings.Repeat("x", longestLine+100)
	log := long + "\n{\n{\"@module\":\"meshtask\"}\n{\"unit\":1,\"event\":2}\n2026-11-25T00:00:00Z [INFO]  meshtask: \n" +
		"2026-11-25T00:00:00Z [INFO]  meshtask: mark: reached ms=x =\n" + told(false)
	record, err := Read(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	s := NewSummary()
	for _, e := range record.Entries {
		s.Add(e) // and nothing in it may break a reader
	}
	if s.Exit != 206 || s.Marks[Up]["T0"] == 0 {
		t.Errorf("%+v", s)
	}
}
