package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// happening is what one unit reports.
type happening struct {
	unit  string
	event event.Event
}

// whole is a life in which everything happens that can.
func whole() []happening {
	return []happening{
		{event.Task, event.Waiting{Code: event.Metadata, What: "task metadata endpoint", Err: "HTTP 500", Since: 5 * time.Second, Said: 1}},
		{event.Task, event.WaitOver{}},
		{"consul-agent", event.Start{}}, {"consul-agent", event.Exec{Name: "consul-agent", PID: 4194304}}, {"consul-agent", event.Serving{}},
		{"consul-agent", event.Waiting{Code: event.ConsulUnreachable, What: "the agent to join", Err: `dial tcp: lookup "x": no such host`, Fix: "see to the VPC's DNS",
			Facts: event.Facts{"address": "127.0.0.1:8500", "failures": "3"}, Since: 65 * time.Second, Said: 1}},
		{"consul-agent", event.WaitOver{}}, {"consul-agent", event.Joined{Agent: "127.0.0.1:8500"}}, {"consul-agent", event.Ready{}},
		{"mesh-init", event.Start{}}, {"mesh-init", event.Registered{}}, {"mesh-init", event.Ready{}},
		{"envoy", event.Start{}}, {"envoy", event.Exec{Name: "envoy", PID: 12}}, {"envoy", event.Serving{}}, {"envoy", event.Listener{Address: ":20000"}}, {"envoy", event.Ready{}},
		{"app", event.Start{}}, {"app", event.Exec{Name: "app", PID: 13}}, {"app", event.Mark{Name: "T2"}}, {"app", event.Serving{}}, {"app", event.Ready{}},
		{"health-sync", event.AppHealthy{}}, {"health-sync", event.Passing{}}, {"inbound", event.Start{}}, {"inbound", event.Lease{Name: "web"}}, {"inbound", event.Lease{Name: "cron"}}, {"inbound", event.Lease{Name: "gone"}},
		{"health-sync", event.AppUnhealthy{Reason: "exit code 1", Check: true}}, {"health-sync", event.AppHealthy{Check: true}},
		{"envoy", event.Condition{Name: "upstream:api", Code: event.UpstreamNoInstance, Reason: "0 of 2 are healthy", Facts: event.Facts{"upstream": "api", "n": "0"}}},
		{"envoy", event.Condition{Name: "upstream:api", OK: true, Healed: true}}, {"consul-agent", event.Condition{Name: "servers-reachable", OK: true}},
		{"app", event.Suspended{Signal: "SIGTSTP", PID: 13, Fix: "send CONT to continue it (kill -CONT 1)"}}, {"app", event.Resumed{}},
		{"envoy", event.Hung{Err: "no answer for 6s"}}, {"envoy", event.Answers{}},
		{"envoy", event.Exit{Name: "envoy", PID: 12, Status: 139, Signal: "SIGSEGV", PeakBytes: 1 << 40}},
		{"envoy", event.OutOfMemory{Process: "envoy", Kills: 1}},
		{"envoy", event.Restart{Reason: "envoy (pid 12) was ended by SIGSEGV", N: 1, Max: 5, After: 200 * time.Millisecond}},
		{"envoy", event.Exec{Name: "envoy", PID: 14}}, {"envoy", event.Serving{Again: true}}, {"token", event.Renewed{Accessor: "a-b"}},
		{"inbound", event.LeaseLost{Name: "gone"}}, {"inbound", event.LeaseForgotten{Name: "gone"}}, {"inbound", event.LeaseRefused{Name: "evil", Reason: "no container of this task"}}, {"inbound", event.LeaseEnded{Name: "cron", Code: 3}},
		{event.Task, event.Shutdown{Cause: "envoy: restart budget spent"}}, {event.Task, event.StopReason{Code: event.StoppedByContainer, Facts: event.Facts{"container": "log-router", "exit": "1"}}},
		{"health-sync", event.Stop{}}, {"health-sync", event.Critical{Reason: "the task stops"}}, {"health-sync", event.Removed{}}, {"health-sync", event.Ended{}},
		{"inbound", event.Stop{Moot: true}}, {"inbound", event.LeasesKept{Names: "web cron"}},
		{"inbound", event.Drained{Start: 3, End: 1, Ms: 1234567.5, Protocol: "http", Why: "maximum"}}, {"inbound", event.Ended{}},
		{"app", event.Stop{}}, {"app", event.Killed{Name: "app"}}, {"app", event.Killed{Name: "app", PID: 13, Process: "sleep (pid 20)", When: "10s after TERM"}},
		{"app", event.Exit{Name: "app", PID: 13, Status: 137, Signal: "SIGKILL", PeakBytes: 52428800}}, {"app", event.Ended{Err: "app (pid 13) was ended by SIGKILL"}},
		{"mesh-init", event.Deregistered{Result: state.Verified}}, {"mesh-init", event.Ended{}},
		{"consul-agent", event.Left{Result: state.Unverified, Reason: "no server can be reached", Ms: 2.5}}, {"consul-agent", event.Ended{}},
		{event.Task, event.Finish{Cause: "envoy: restart budget spent", Code: 206, Unit: "envoy", Why: event.EnvoyRestartsSpent, Facts: event.Facts{"restarts": "5 within 1m0s", "n": "5"}}},
	}
}

// difficult is the same life with text for every word in it.
func difficult(text string) []happening {
	life := whole()
	for i, h := range life {
		if _, ok := h.event.(event.Mark); ok {
			continue
		}
		e := reflect.New(reflect.TypeOf(h.event)).Elem()
		e.Set(reflect.ValueOf(h.event))
		for _, f := range e.Fields() {
			switch v := f.Interface().(type) {
			case string:
				f.SetString(text)
			case event.Facts:
				for name := range v {
					v[name] = text
				}
			}
		}
		life[i].event = e.Interface().(event.Event)
	}
	return life
}

// written is a life as it happens, a millisecond apart in fake time: the entries of its record,
// and its log.
func written(life []happening, json bool, level hclog.Level) (entries []event.Entry, text string) {
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Name: "meshtask", Output: &out, JSONFormat: json, Level: level, TimeFormat: "2006-01-02T15:04:05.000Z07:00"})
	sink := Log(log)
	j := New(time.Now(), func(e event.Entry) {
		e.At = e.At.UTC().Round(0)
		entries = append(entries, e)
		if f, ok := e.Event.(event.Finish); ok { // the task writes it, before its summary
			log.Error(logEnds, append(exact([]any{"exit", f.Code, "unit", f.Unit, "error", f.Cause}), Because(f.Why, f.Facts)...)...)
		}
		sink(e)
	})
	l := map[string]Labels{}
	for _, h := range life {
		l[h.unit] = Labels{Up: "T1", Down: "T2"}
	}
	delete(l, event.Task)
	began := false
	j.Rows(nil, l, func(e event.Entry) []event.Mark {
		_, start := e.Event.(event.Start)
		_, shutdown := e.Event.(event.Shutdown)
		if start && !began || shutdown {
			began = true
			return []event.Mark{{Name: "T0"}}
		}
		return nil
	})
	for _, h := range life {
		unit := h.unit
		if _, ok := h.event.(event.Mark); ok {
			unit = event.Task
		}
		time.Sleep(time.Millisecond)
		j.Report(unit)(h.event)
	}
	s := summary(j)
	if json {
		log.Info(logSummary, s.Pairs()...)
	} else {
		log.Info(logSummary + ": " + s.Line())
	}
	return entries, out.String()
}

// readBack are the entries that a reader has of a log of that level, as it has them.
func readBack(entries []event.Entry, level hclog.Level) (out []event.Entry) {
	for _, e := range entries {
		switch ev := e.Event.(type) {
		case event.Exec, event.Exit:
			if level > hclog.Debug {
				continue
			}
		case event.Serving, event.AppHealthy, event.AppUnhealthy, event.Condition:
			if level > hclog.Debug && !noteworthy(ev) {
				continue
			}
		case event.Stop:
			e.Event = event.Stop{} // whether it was moot is in the record alone
		case event.Waiting:
			e.Mark = "" // likewise
			ev.Said = 1
			e.Event = ev
		}
		if level > hclog.Debug {
			e = summarised(e)
		}
		out = append(out, e)
	}
	return sorted(out)
}

// summarised is an entry of which info has no line, as the summary tells it.
func summarised(e event.Entry) event.Entry {
	switch ev := e.Event.(type) {
	case event.Start, event.Stop:
		e.Mark = ""
	case event.Ready:
		if e.Unit != "app" {
			e.Mark = ""
		}
	case event.Ended:
		if ev.Err == "" {
			e.Mark = ""
		}
	case event.Critical:
		if e.Way == event.Down {
			e.Mark, e.Event = "", event.Critical{}
		}
	case event.Deregistered:
		if ev.Result != state.Unverified {
			e.Mark, e.Event = "", event.Deregistered{Result: ev.Result}
		}
	}
	return e
}

// sorted has entries of one millisecond in an order of their words.
func sorted(entries []event.Entry) []event.Entry {
	slices.SortStableFunc(entries, func(a, b event.Entry) int {
		an, _, _ := event.Words(a.Event)
		bn, _, _ := event.Words(b.Event)
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(an, bn))
	})
	return entries
}

// noteworthy is what of these events is at info: what did not hold, and that it holds again.
func noteworthy(e event.Event) bool {
	switch ev := e.(type) {
	case event.Serving:
		return ev.Again
	case event.AppHealthy:
		return ev.Check
	case event.AppUnhealthy:
		return ev.Check
	case event.Condition:
		return ev.Healed || !ev.OK
	}
	return false
}

// What Log writes is what Read reads, whatever the words, in either form and at either level.
func TestALogIsReadBackAsItsRecord(t *testing.T) {
	lives := map[string][]happening{"a life": whole()}
	for _, text := range []string{"42", "1e3", "NaN", "Infinity", "0x1F", "true", "null", `""`, "", "[::]:20000", "[a, b]", "[", "k=v", "=", "a: b", "a b  c", "ümlaut – „x“", "down T0",
		`C:\new\table`, `\d+`, `a \q "b" \`, `"quoted"`, `"open`, "tab\tand\x1b[31mred", "first\nsecond = line", "first\n\nthird=\n  fourth", "x\n| y\nerror=", `x\n` + "\n" + `"y"`} {
		lives[fmt.Sprintf("%q", text)] = difficult(text)
	}
	for name, life := range lives {
		for _, json := range []bool{false, true} {
			for _, level := range []hclog.Level{hclog.Debug, hclog.Info} {
				var entries []event.Entry
				var log string
				synctest.Test(t, func(*testing.T) { entries, log = written(life, json, level) })
				r, err := Read(strings.NewReader(log))
				if err != nil {
					t.Fatal(err)
				}
				want := readBack(entries, level)
				if diff := gocmp.Diff(want, sorted(r.Entries)); diff != "" || r.Unused > 0 {
					t.Errorf("%s, JSON %v, %v: %d unused, entries: %s", name, json, level, r.Unused, diff)
				}
				if diff := gocmp.Diff(state.Of(want), state.Of(r.Entries)); diff != "" {
					t.Errorf("%s, JSON %v, %v: state: %s", name, json, level, diff)
				}
				if t.Failed() {
					t.Fatal(log)
				}
			}
		}
	}
}

// So is its file, lines that were too long included: they are cut, and are of their event still.
func TestAFileIsReadBackAsItsRecord(t *testing.T) {
	for _, word := range []string{"verified", "", "\x1b]0;PWN\a", "first\n{\"event\":\"exit\"}", "\u2028 meshtask: ", strings.Repeat("x", 2*maxLine)} {
		var text bytes.Buffer
		file := newFile(folder(t.TempDir()), closer{&text})
		j := begun(file.Write)
		for _, h := range difficult(word) {
			j.Report(h.unit)(h.event)
		}
		if err := file.Close(nil, generous); err != nil {
			t.Fatal(err)
		}
		r, err := Read(&text)
		if err != nil || r.Unused > 0 {
			t.Fatalf("%d unused, %v", r.Unused, err)
		}
		if len(word) > maxLine {
			word = word[:1<<10] + "…"
		}
		want := difficult(word)
		for _, e := range r.Entries {
			if _, ok := e.Event.(event.Mark); ok {
				continue
			}
			for passing(want[0].event) || reflect.TypeOf(want[0].event) == reflect.TypeFor[event.Mark]() {
				want = want[1:]
			}
			if e.Unit != want[0].unit || !gocmp.Equal(e.Event, want[0].event) {
				t.Fatalf("%.20q: want of %s, got of %s: %s", word, want[0].unit, e.Unit, gocmp.Diff(want[0].event, e.Event))
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Errorf("%.20q: %d entries are not there", word, len(want))
		}
	}
}

// The life above has every event that there is.
func TestTheWholeLifeIsWhole(t *testing.T) {
	src, err := parser.ParseFile(token.NewFileSet(), "../event/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, h := range whole() {
		seen[reflect.TypeOf(h.event).Name()] = true
	}
	n := 0
	for _, d := range src.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "words" {
			n++
			if name := f.Recv.List[0].Type.(*ast.Ident).Name; !seen[name] {
				t.Errorf("no %s happens", name)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d events", n)
	}
}
