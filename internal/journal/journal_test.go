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
)

func life(j *Journal) {
	j.Add("consul-agent", Start, "")
	j.Reach(Up, "T0")
	j.Add("envoy", Start, "")
	j.Add("envoy", Restart, "exit 1", "after", 100*time.Millisecond)
	j.Add(Task, Shutdown, "TERM")
	j.Reach(Down, "T0")
	j.Add("inbound", Step, "drained", "start", 12, "end", 0, "ms", int64(412))
	j.Add("app", Killed, "app")
	j.Add("app", Step, "exit", "peak_bytes", int64(5000), "status", 137, "signal", "KILL")
	j.Add("app", Step, "exit", "peak_bytes", int64(4000), "status", 137, "signal", "KILL")
	j.Add("mesh-init", Step, "deregistered", "result", "verified")
	j.Add("consul-agent", Step, "left", "result", "unverified")
	j.Add(Task, Exit, "TERM", "code", 137)
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

func marks() map[string]Marks {
	return map[string]Marks{"consul-agent": {"T0", "T2"}, "mesh-init": {"T0", "T1"}, "envoy": {"T1", "T1"}, "app": {"T2", "T0"}}
}

func TestTheSummaryIsAFoldOfTheTimeline(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	live := NewSummary()
	life(New(time.Now(), marks(), f.Write, live.Add))
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
	back := NewSummary()
	for _, e := range record.Entries {
		back.Add(e)
	}
	if diff := cmp.Diff(live, back); diff != "" {
		t.Errorf("read back, the summary differs: %s", diff)
	}
	if live.Exit != 137 || live.Reason != "TERM" || live.Left != "unverified" || live.Deregistered != "verified" ||
		live.Drain != (Drain{12, 0, 412}) || live.Restarts["envoy"] != 1 || live.PeakBytes["app"] != 5000 || live.Restarts["consul-agent"] != 0 {
		t.Errorf("%+v", live)
	}
	if _, ok := live.Restarts["consul-agent"]; !ok {
		t.Error("a child that never restarted has no zero in restarts")
	}
	if len(live.Killed) != 1 || live.Marks[Down]["T0"] < live.Marks[Up]["T0"] {
		t.Errorf("%+v", live)
	}
}

func TestSummaryFileIsTheContractsShape(t *testing.T) {
	dir := t.TempDir()
	s := NewSummary()
	life(New(time.Now(), marks(), s.Add))
	f, err := Create(folder(dir))
	if err == nil {
		err = f.Close(s, generous)
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
	s := NewSummary()
	j := New(time.Now(), marks(), s.Add)
	for range 10 * keep {
		j.Add("envoy", Restart, "crash")
	}
	if n := len(j.Entries()); n > keep {
		t.Errorf("%d entries are kept", n)
	}
	j.Read(func() { // what the entries have forgotten, the sinks have not
		if s.Restarts["envoy"] != 10*keep {
			t.Errorf("the summary counted %d restarts", s.Restarts["envoy"])
		}
	})
}

type broken struct{ writes int }

func (b *broken) Write(p []byte) (int, error) { b.writes++; return 0, os.ErrPermission }
func (b *broken) Close() error                { return nil }

func TestAFullDiskEndsTheTimelineOnly(t *testing.T) {
	w := &broken{}
	f := newFile(folder(t.TempDir()), w)
	life(New(time.Now(), marks(), f.Write))
	if err := f.Close(NewSummary(), generous); err == nil || !strings.Contains(err.Error(), "permission") {
		t.Errorf("the error was lost: %v", err)
	}
	if w.writes != 1 {
		t.Errorf("%d writes, some after the first had failed", w.writes)
	}
}

func TestLiveIsTheStateOfNow(t *testing.T) {
	l := NewLive("envoy", "app")
	j := New(time.Now(), marks(), l.Add)
	j.Add("envoy", Start, "")
	j.Add("envoy", Step, "exec", "pid", 31)
	j.Add("envoy", Step, "listener")
	j.Add("envoy", Ready, "")
	j.Add("envoy", Restart, "exit 1")
	j.Add("nobody", Start, "")
	got := l.Units()
	if len(got) != 2 || got[0].State != "up" || got[0].PID != 31 || got[0].Restarts != 1 || got[0].Last != "exit 1" || got[1].State != "waiting" {
		t.Errorf("%+v", got)
	}
	j.Add("envoy", Ended, "killed")
	if u := l.Units()[0]; u.State != "ended" || u.PID != 0 || u.Last != "killed" {
		t.Errorf("%+v", u)
	}
}

// What was begun and not seen to end is not skipped.
func TestAnEndThatWasNotSeenIsUnverified(t *testing.T) {
	s := NewSummary()
	j := New(time.Now(), marks(), s.Add)
	j.Add("consul-agent", Step, "joined")
	j.Add("mesh-init", Step, "registered")
	if s.Left != "unverified" || s.Deregistered != "unverified" {
		t.Errorf("left %s, deregistered %s", s.Left, s.Deregistered)
	}
	j.Add("consul-agent", Step, "left", "result", "skipped")
	if s.Left != "skipped" {
		t.Errorf("left %s", s.Left)
	}
}
