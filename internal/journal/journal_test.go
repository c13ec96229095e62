package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// begun is a journal of a life that reaches T0 on either way.
func begun(sinks ...func(event.Entry)) *Journal {
	j := New(time.Now(), sinks...)
	started := false
	j.Rows([]string{"consul-agent", "mesh-init", "envoy", "app"}, labels(), func(e event.Entry) []event.Mark {
		_, start := e.Event.(event.Start)
		_, shutdown := e.Event.(event.Shutdown)
		if start && !started || shutdown {
			started = true
			return []event.Mark{{Name: "T0"}}
		}
		return nil
	})
	return j
}

func life(j *Journal) {
	j.Report("consul-agent")(event.Start{})
	j.Report("consul-agent")(event.Exec{PID: 5})
	j.Report("envoy")(event.Start{})
	j.Report("envoy")(event.Restart{Reason: "exit 1", After: 100 * time.Millisecond})
	j.Report(event.Task)(event.Shutdown{Cause: "TERM"})
	j.Report("inbound")(event.Drained{Start: 12, End: 0, Ms: 412})
	j.Report("app")(event.Killed{Name: "app"})
	j.Report("app")(event.Exit{PeakBytes: 5000, Status: 137, Signal: "KILL"})
	j.Report("app")(event.Exit{PeakBytes: 4000, Status: 137, Signal: "KILL"})
	j.Report("mesh-init")(event.Deregistered{Result: state.Verified})
	j.Report("consul-agent")(event.Left{Result: state.Unverified})
	j.Report(event.Task)(event.Finish{Cause: "TERM", Code: 137})
}

// summary is that of the entries so far.
func summary(j *Journal) (s *state.Summary) {
	j.Read(func(now *state.State) { s = &now.Summary })
	return s
}

// folder is a Store without a state directory's rules.
type folder string

func (d folder) Create(name string) (*os.File, error) {
	return os.Create(filepath.Join(string(d), name))
}
func (d folder) Write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(string(d), name), data, 0o600)
}
func (d folder) Remove(name string) error {
	if err := os.Remove(filepath.Join(string(d), name)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// generous is far beyond what a disk takes; a test that has it waits for an event.
const generous = time.Minute

func labels() map[string]Labels {
	return map[string]Labels{"consul-agent": {"T0", "T2"}, "mesh-init": {"T0", "T1"}, "envoy": {"T1", "T1"}, "app": {"T2", "T0"}}
}

func TestTheSummaryIsAFoldOfTheTimeline(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	j := begun(f.Write)
	life(j)
	if err := f.Close(nil, generous); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "timeline.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j.Entries(), record.Entries); diff != "" || record.Unused > 0 {
		t.Errorf("read back, the entries differ (%d unused): %s", record.Unused, diff)
	}
	live, back := summary(j), state.Of(record.Entries).Summary
	if diff := cmp.Diff(*live, back); diff != "" {
		t.Errorf("read back, the summary differs: %s", diff)
	}
	if live.Exit != 137 || live.Reason != "TERM" || live.Left != "unverified" || live.Deregistered != "verified" ||
		live.Drain != (state.Drain{Start: 12, End: 0, Ms: 412}) || live.Restarts["envoy"] != 1 || live.PeakBytes["app"] != 5000 || live.Restarts["consul-agent"] != 0 {
		t.Errorf("%+v", live)
	}
	if _, ok := live.Restarts["consul-agent"]; !ok {
		t.Error("a child that never restarted has no zero in restarts")
	}
	if len(live.Killed) != 1 || len(live.Marks[event.Up]) != 1 || len(live.Marks[event.Down]) != 1 || live.Marks[event.Down]["T0"] < live.Marks[event.Up]["T0"] {
		t.Errorf("%+v", live)
	}
}

func TestSummaryFileIsTheContractsShape(t *testing.T) {
	dir := t.TempDir()
	j := begun()
	life(j)
	f, err := Create(folder(dir))
	if err == nil {
		err = f.Close(summary(j), generous)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "summary.json"))
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"exit", "reason", "marks", "restarts", "drain", "deregistered", "left", "killed", "peak_bytes", "oom"} {
		if _, ok := got[key]; !ok {
			t.Errorf("no %q in %s", key, b)
		}
	}
}

// A task that restarts its children for months must not grow.
func TestTheJournalIsBounded(t *testing.T) {
	j := begun()
	for range 10 * keep {
		j.Report("envoy")(event.Restart{Reason: "crash"})
	}
	if n := len(j.Entries()); n > keep {
		t.Errorf("%d entries are kept", n)
	}
	j.Read(func(s *state.State) { // what the entries have forgotten, the state has not
		if s.Summary.Restarts["envoy"] != 10*keep {
			t.Errorf("the summary counted %d restarts", s.Summary.Restarts["envoy"])
		}
	})
}

type broken struct{ writes int }

func (b *broken) Write(p []byte) (int, error) { b.writes++; return 0, os.ErrPermission }
func (b *broken) Close() error                { return nil }

func TestAFullDiskEndsTheTimelineOnly(t *testing.T) {
	w := &broken{}
	f := newFile(folder(t.TempDir()), w)
	j := begun(f.Write)
	life(j)
	if err := f.Close(summary(j), generous); err == nil || !strings.Contains(err.Error(), "permission") {
		t.Errorf("the error was lost: %v", err)
	}
	if w.writes != 1 {
		t.Errorf("%d writes, some after the first had failed", w.writes)
	}
}

// The units are shown in the order of the rows, before any has reported; one that has no row
// does not move them.
func TestTheStateIsThatOfNow(t *testing.T) {
	j := New(time.Now())
	j.Rows([]string{"envoy", "app"}, labels(), nil)
	j.Report("envoy")(event.Start{})
	j.Report("nobody")(event.Start{})
	j.Report("envoy")(event.Ready{})
	j.Read(func(s *state.State) {
		if s.Units[0].Unit != "envoy" || s.Units[0].State != "up" || s.Units[1].Unit != "app" || s.Units[1].State != "waiting" {
			t.Errorf("%+v", s.Units)
		}
	})
}

// A wait is part of the state at once, and of the record when it has lasted.
func TestAShortWaitIsNoLine(t *testing.T) {
	sunk := 0
	j := begun(func(event.Entry) { sunk++ })
	wait := func() (w *state.Wait) {
		j.Read(func(s *state.State) { w = s.Unit("envoy").Wait })
		return w
	}
	j.Report("envoy")(event.Waiting{What: "a listener"})
	if w := wait(); w == nil || w.What != "a listener" || sunk != 0 || len(j.Entries()) != 0 {
		t.Errorf("%+v; %d lines", w, sunk)
	}
	j.Report("envoy")(event.Waiting{What: "a listener", Since: 5 * time.Second, Said: 1})
	if sunk != 1 || len(j.Entries()) != 1 {
		t.Errorf("%d lines of a long one", sunk)
	}
	j.Report("envoy")(event.WaitOver{})
	if w := wait(); w != nil || sunk != 1 {
		t.Errorf("%+v; %d lines when it is over", w, sunk)
	}
}

// Who fetches what is new gets each entry once and in order, and of those that are not held any
// more nothing.
func TestEntriesAreFetchedOnce(t *testing.T) {
	j := begun()
	restarts := func(from, to int) {
		for n := from; n < to; n++ {
			j.Report("envoy")(event.Restart{N: n})
		}
	}
	var got []int
	next := 0
	fetch := func() {
		var later []event.Entry
		later, next = j.Since(next)
		for _, e := range later {
			got = append(got, e.Event.(event.Restart).N)
		}
	}
	restarts(0, 3)
	fetch()
	fetch()
	restarts(3, keep-2)
	fetch()
	restarts(keep-2, keep+9) // the oldest go
	fetch()
	for n, have := range got {
		if n != have {
			t.Fatalf("entry %d is %d", n, have)
		}
	}
	if len(got) != keep+9 || next != keep+9 {
		t.Errorf("%d entries, next %d", len(got), next)
	}
	got = nil
	restarts(0, 4*keep)
	fetch()
	if len(got) > keep || got[len(got)-1] != 4*keep-1 || next != 5*keep+9 {
		t.Errorf("%d entries up to %d, next %d", len(got), got[len(got)-1], next)
	}
}
