package journal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"meshtask/internal/drawing"
	"meshtask/internal/event"
	"meshtask/internal/state"
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
	log.Info("oom", "unit", "consul-agent", "mark", "up T0", "kills", 3, "process", "consul-agent")
	log.Info("joined", "unit", "consul-agent", "mark", "up T0")
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
	want := []event.Entry{
		{Way: event.Up, Mark: "T0", Unit: "consul-agent", Event: event.Start{}},
		{Way: event.Up, Mark: "T0", Unit: event.Task, Event: event.Mark{Name: "T0"}},
		{Way: event.Up, Mark: "T0", Unit: "consul-agent", Event: event.OutOfMemory{Kills: 3, Process: "consul-agent"}},
		{Way: event.Up, Mark: "T0", Unit: "consul-agent", Event: event.Joined{}},
		{Way: event.Up, Unit: "envoy", Event: event.Waiting{What: "envoy to listen on :20000", Since: 5 * time.Second, Err: `a "b": c`, Said: 1}},
		{Way: event.Up, Mark: "T1", Unit: "envoy", Event: event.Restart{Reason: "envoy (pid 5) exited with 1", N: 1}},
		{Way: event.Down, Unit: event.Task, Event: event.Shutdown{Cause: "envoy: it ended"}},
		{Way: event.Down, Mark: "T1", Unit: "envoy", Event: event.Ended{Err: "first line\nsecond = line"}},
		{Way: event.Down, Unit: event.Task, Event: event.Finish{Cause: "restart budget spent", Code: 206, Unit: "envoy"}},
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
		}
		if diff := cmp.Diff(want, got); diff != "" || record.Unused > 0 {
			t.Errorf("json %v: %s", json, diff)
		}
	}
}

// A log leaves starts out; a unit that was ready, or ended, is drawn all the same.
func TestALogIsDrawn(t *testing.T) {
	record, err := Read(strings.NewReader(told(false)))
	if err != nil {
		t.Fatal(err)
	}
	entries := record.Entries
	text := drawing.Text(entries, time.Time{})
	for _, want := range []string{"  T0         0  the first unit starts", "\nenvoy ", "joined 0", "– did not happen, or is not in the record"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if svg := drawing.SVG(entries, time.Time{}); !strings.Contains(svg, "consul-agent") {
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
	if e := got[1]; !cmp.Equal(e.Event, event.Event(event.Finish{Cause: "TERM", Code: 3})) || e.Ms != 2020 {
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
	if want := "bad configuration in web.json:\nservice.port: must be 1–65535\nx: unknown key"; !cmp.Equal(got[0].Event, event.Event(event.Finish{Cause: want, Code: event.UnknownCode})) {
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
	s := state.Of(record.Entries).Summary // and nothing in it may break a reader
	if s.Exit != 206 || s.Marks[event.Up]["T0"] == 0 {
		t.Errorf("%+v", s)
	}
}

// Nor does what looks like the rest of our last line.
func TestLinesOfTheAppDoNotContinueOurs(t *testing.T) {
	for name, app := range map[string]string{
		"a value":  "  exit=\n  | 0\n  error=\n  | none\n  unit=\n  | app\n",
		"pairs":    "   exit=0 error=none unit=app cause=app-failed\n",
		"the rest": "  | none\n",
		"both":     "  x=\n  | y\n   exit=0 error=none unit=app\n  \n  cause=\n  | app-failed\n",
	} {
		r, err := Read(strings.NewReader("2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=204 unit=envoy error=\"not ready\"\n" + app))
		want := event.Event(event.Finish{Cause: "not ready", Code: 204, Unit: "envoy"})
		if err != nil || len(r.Entries) != 1 || !cmp.Equal(r.Entries[0].Event, want) {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
}

// A word that could be a number and is none of JSON's is a word.
func TestAnEndlessNumberIsAWord(t *testing.T) {
	for _, word := range []string{"NaN", "Infinity", "-inf", "1e999"} {
		r, err := Read(strings.NewReader("2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=200 unit=app error=" + word + "\n"))
		want := event.Event(event.Finish{Cause: word, Code: 200, Unit: "app"})
		if err != nil || len(r.Entries) != 1 || !cmp.Equal(r.Entries[0].Event, want) {
			t.Errorf("%s: %v, %+v", word, err, r)
		}
	}
}

// hclog leaves a backslash as it is.
func TestABackslashIsNoEscape(t *testing.T) {
	r, err := Read(strings.NewReader(`2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=200 error="no match of \"\d+\" in C:\x" unit=app` + "\n"))
	want := event.Event(event.Finish{Cause: `no match of "\d+" in C:\x`, Code: 200, Unit: "app"})
	if err != nil || len(r.Entries) != 1 || !cmp.Equal(r.Entries[0].Event, want) {
		t.Errorf("%v, %+v", err, r)
	}
}
