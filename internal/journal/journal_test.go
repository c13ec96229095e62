package journal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func life(j *Journal) {
	j.Add("consul-agent", "T0", Start, "")
	j.Add(Task, "T0", Mark, "")
	j.Add("envoy", "T1", Start, "")
	j.Add("envoy", "T1", Restart, "exit 1", "after", 100*time.Millisecond)
	j.Add(Task, "", Shutdown, "TERM")
	j.Add(Task, "T0", Mark, "")
	j.Add("inbound", "T0", Step, "drained", "start", 12, "end", 0, "ms", int64(412))
	j.Add("app", "T0", Killed, "app")
	j.Add("app", "T0", Step, "exit", "peak_bytes", int64(5000), "status", 137, "signal", "KILL")
	j.Add("app", "T0", Step, "exit", "peak_bytes", int64(4000), "status", 137, "signal", "KILL")
	j.Add("mesh-init", "T1", Step, "deregistered", "result", "verified")
	j.Add("consul-agent", "T2", Step, "left", "result", "unverified")
	j.Add(Task, "", Exit, "TERM", "code", 137)
}

func TestTheSummaryIsAFoldOfTheTimeline(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	live := NewSummary()
	life(New(time.Now(), f.Write, live.Add))
	if err := f.Close(); err != nil {
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
	life(New(time.Now(), s.Add))
	if err := s.Write(dir); err != nil {
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
	if st, _ := os.Stat(filepath.Join(dir, "summary.json")); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
}

// A task that restarts its children for months must not grow.
func TestTheJournalIsBounded(t *testing.T) {
	s := NewSummary()
	j := New(time.Now(), s.Add)
	for range 10 * keep {
		j.Add("envoy", "T1", Restart, "crash")
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
	f := &File{w: w}
	life(New(time.Now(), f.Write))
	if w.writes != 1 {
		t.Errorf("%d writes after the first failed", w.writes)
	}
	if err := f.Close(); err == nil || !strings.Contains(err.Error(), "permission") {
		t.Errorf("the error was lost: %v", err)
	}
}

func TestLiveIsTheStateOfNow(t *testing.T) {
	l := NewLive("envoy", "app")
	j := New(time.Now(), l.Add)
	j.Add("envoy", "T1", Start, "")
	j.Add("envoy", "T1", Step, "exec", "pid", 31)
	j.Add("envoy", "T1", Step, "listener")
	j.Add("envoy", "T1", Ready, "")
	j.Add("envoy", "T1", Restart, "exit 1")
	j.Add("nobody", "T1", Start, "")
	got := l.Units()
	if len(got) != 2 || got[0].State != "up" || got[0].PID != 31 || got[0].Restarts != 1 || got[0].Last != "exit 1" || got[1].State != "waiting" {
		t.Errorf("%+v", got)
	}
	j.Add("envoy", "T1", Ended, "killed")
	if u := l.Units()[0]; u.State != "ended" || u.PID != 0 || u.Last != "killed" {
		t.Errorf("%+v", u)
	}
}

// What was begun and not seen to end is not skipped.
func TestAnEndThatWasNotSeenIsUnverified(t *testing.T) {
	s := NewSummary()
	j := New(time.Now(), s.Add)
	j.Add("consul-agent", "T0", Step, "joined")
	j.Add("mesh-init", "T0", Step, "registered")
	if s.Left != "unverified" || s.Deregistered != "unverified" {
		t.Errorf("left %s, deregistered %s", s.Left, s.Deregistered)
	}
	j.Add("consul-agent", "T2", Step, "left", "result", "skipped")
	if s.Left != "skipped" {
		t.Errorf("left %s", s.Left)
	}
}
