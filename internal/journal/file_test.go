package journal

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hung is a disk that takes nothing until it is let go.
type hung struct {
	begun chan struct{} // closed at the first write
	free  chan struct{}
	once  sync.Once
}

func (h *hung) Write(p []byte) (int, error) {
	h.once.Do(func() { close(h.begun) })
	<-h.free
	return len(p), nil
}
func (h *hung) Close() error { return nil }

// The conductor's Observe ends in the journal: whatever a disk does, it must return.
func TestAHungDiskHoldsUpNobody(t *testing.T) {
	disk := &hung{begun: make(chan struct{}), free: make(chan struct{})}
	f := newFile(folder(t.TempDir()), disk)
	j := New(time.Now(), marks(), f.Write)
	j.Add("app", Start, "")
	<-disk.begun
	const more = 100
	for range maxQueue + more {
		j.Add("app", Step, "x")
	}
	err := f.Close(NewSummary(), time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "100 entries are not in timeline.jsonl") || !strings.Contains(err.Error(), "has not taken") {
		t.Errorf("got %v, want what was dropped and that the disk hangs", err)
	}
	close(disk.free)
	<-f.done
}

func TestTheTimelineIsBoundedAndKeepsItsEnd(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	j := New(time.Now(), marks(), f.Write)
	flood := func() {
		for _, detail := range []string{strings.Repeat("lease ", 500), "lease"} { // until not even a short one has room
			for range maxFile / 2500 {
				j.Add("app", Step, detail)
				for len(f.lines) > maxQueue/2 { // the disk is not what is tested
					runtime.Gosched()
				}
			}
		}
	}
	flood()
	j.Add("envoy", Restart, strings.Repeat("x", maxLine), "error", strings.Repeat("y", maxLine))
	j.Add(Task, Shutdown, strings.Repeat("z", maxLine))
	j.Reach(Down, "T0")
	flood()
	j.Add(Task, Exit, strings.Repeat("w", 2*maxLine), "code", 137)
	err = f.Close(nil, generous)
	if err == nil || !strings.Contains(err.Error(), "entries are not in timeline.jsonl") {
		t.Errorf("got %v, want that entries were dropped", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, TimelineFile))
	if err != nil || len(text) > maxFile+4*maxLine || len(text) < maxFile/2 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	for line := range strings.Lines(string(text)) {
		if len(line) > maxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	for _, want := range []string{`"event":"shutdown"`, `"way":"down","mark":"T0","unit":"task"`, `"event":"exit"`, `"code":137`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the end lacks %s", want)
		}
	}
}

// Whatever happens next, a kill included, what is there is of this life.
func TestARecordBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{TimelineFile, SummaryFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("an earlier life"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Create(folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(nil, generous)
	if text, err := os.ReadFile(filepath.Join(dir, TimelineFile)); err != nil || len(text) > 0 {
		t.Errorf("the timeline holds %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, SummaryFile)); !os.IsNotExist(err) {
		t.Errorf("the summary is there: %v", err)
	}
}

// The way and the mark of an entry are those of its place, whoever writes it and when.
func TestWayAndMarkAreThoseOfThePlace(t *testing.T) {
	for range 50 {
		j := New(time.Now(), marks())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 20 {
					j.Add("consul-agent", Step, "joined")
				}
			})
		}
		all.Go(func() { j.Add(Task, Shutdown, "TERM") })
		all.Wait()
		down := false
		for _, e := range j.Entries() {
			down = down || e.Event == Shutdown
			way, mark := Up, "T0"
			if down {
				way, mark = Down, "T2"
			}
			if e.Event == Shutdown {
				mark = ""
			}
			if e.Way != way || e.Mark != mark || e.V != 1 {
				t.Fatalf("after the shutdown: %v, got %+v", down, e)
			}
		}
	}
}

// A mark of the way up that comes too late would be read as one of the way down.
func TestNoMarkOfTheWayUpIsReachedInAShutdown(t *testing.T) {
	j := New(time.Now(), marks())
	if j.Reach(Down, "T0") || !j.Reach(Up, "T0") {
		t.Error("on the way up")
	}
	j.Add(Task, Shutdown, "TERM")
	if j.Reach(Up, "T2") || !j.Reach(Down, "T0") {
		t.Error("on the way down")
	}
	if n := len(j.Entries()); n != 3 {
		t.Errorf("%d entries", n)
	}
}

// What is written is read back, whatever a unit says.
func FuzzWhatIsWrittenIsRead(f *testing.F) {
	f.Add("app", uint(6), "joined", "result", "verified")
	f.Add("lease\n{\"event\":\"exit\"}", uint(0), "\x1b]0;PWN\a", "@module", "meshtask")
	f.Add("  meshtask: ", uint(10), "\xff\xfe\u202e", "event", strings.Repeat("x", 2*maxLine))
	f.Fuzz(func(t *testing.T, unit string, event uint, detail, key, value string) {
		events := []string{Start, Ready, Stop, Ended, Killed, Restart, Step, Waiting, Mark, Shutdown, Exit}
		if unit == "" || strings.ToValidUTF8(unit, "") == "" {
			return // no unit has no name
		}
		var want []byte
		var text bytes.Buffer
		file := newFile(folder(t.TempDir()), closer{&text})
		j := New(time.Now(), nil, file.Write, func(e Entry) {
			line, err := json.Marshal(e)
			if err == nil && len(line) > maxLine {
				line, err = json.Marshal(shortened(e))
			}
			if err != nil {
				t.Fatal(err)
			}
			want = line
		})
		j.Add(unit, events[event%uint(len(events))], detail, key, value)
		if err := file.Close(nil, generous); err != nil {
			if len(want) > maxLine { // a unit or a key of that length
				return
			}
			t.Fatal(err)
		}
		record, err := Read(&text)
		if err != nil || record.Unused != 0 || len(record.Entries) != 1 {
			t.Fatalf("%q was read as %+v, %v", want, record, err)
		}
		var written Entry
		if err := json.Unmarshal(want, &written); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written, record.Entries[0]); diff != "" {
			t.Errorf("(-written +read) %s", diff)
		}
	})
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }
