package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/event"
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

// A unit's report ends in the journal: whatever a disk does, it must return.
func TestAHungDiskHoldsUpNobody(t *testing.T) {
	disk := &hung{begun: make(chan struct{}), free: make(chan struct{})}
	f := newFile(folder(t.TempDir()), disk)
	j := New(time.Now(), f.Write)
	j.Report("app")(event.Start{})
	<-disk.begun
	const more = 100
	for range maxQueue + more {
		j.Report("app")(event.Serving{})
	}
	err := f.Close(summary(j), time.Millisecond)
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
	j := begun(f.Write)
	flood := func() {
		for _, name := range []string{strings.Repeat("lease ", 500), "lease"} { // until not even a short one has room
			for range maxFile / 2500 {
				j.Report("app")(event.Lease{Name: name})
				for len(f.lines) > maxQueue/2 { // the disk is not what is tested
					runtime.Gosched()
				}
			}
		}
	}
	flood()
	j.Report("envoy")(event.Killed{Name: strings.Repeat("x", maxLine), Process: strings.Repeat("y", maxLine)})
	j.Report(event.Task)(event.Shutdown{Cause: strings.Repeat("z", maxLine)})
	flood()
	j.Report(event.Task)(event.Finish{Cause: strings.Repeat("w", 2*maxLine), Code: 137, Facts: event.Facts{"address": strings.Repeat("v", maxLine)}})
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

// The way and the mark of an entry are those of its place, whatever writes it and when.
func TestWayAndMarkAreThoseOfThePlace(t *testing.T) {
	for range 50 {
		j := begun()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 20 {
					j.Report("consul-agent")(event.Joined{})
				}
			})
		}
		all.Go(func() { j.Report(event.Task)(event.Shutdown{Cause: "TERM"}) })
		all.Wait()
		down, marked := false, false
		for _, e := range j.Entries() {
			_, shutdown := e.Event.(event.Shutdown)
			_, isMark := e.Event.(event.Mark)
			down = down || shutdown
			way, mark := event.Up, "T0"
			if down {
				way, mark = event.Down, "T2"
			}
			if shutdown {
				mark = ""
			}
			if isMark { // of the shutdown, right behind it
				mark, marked = "T0", true
			} else if down && !shutdown && !marked {
				t.Fatalf("%+v stands between the shutdown and its mark", e)
			}
			if e.Way != way || e.Mark != mark {
				t.Fatalf("after the shutdown: %v, got %+v", down, e)
			}
			if line, err := json.Marshal(e); err != nil || !strings.HasPrefix(string(line), `{"v":1,`) {
				t.Fatalf("%s, %v", line, err)
			}
		}
		if !marked {
			t.Fatal("the shutdown has no mark")
		}
	}
}

// A mark of the way up that comes too late would be read as one of the way down. Who tells
// which marks an entry reaches is asked in the order of the record, so that it can know.
func TestNoMarkOfTheWayUpIsReachedInAShutdown(t *testing.T) {
	var stopped bool
	follow := func(e event.Entry) []event.Mark {
		switch e.Event.(type) {
		case event.Shutdown:
			stopped = true
			return []event.Mark{{Name: "T0"}}
		case event.Exec:
			if !stopped {
				return []event.Mark{{Name: "T2"}}
			}
		}
		return nil
	}
	reached := func(j *Journal) (got []string) {
		for _, e := range j.Entries() {
			if m, ok := e.Event.(event.Mark); ok {
				got = append(got, e.Way+" "+m.Name)
				if e.Unit != event.Task || e.Mark != m.Name {
					t.Errorf("%+v", e)
				}
			}
		}
		return got
	}
	for range 50 {
		stopped = false
		j := New(time.Now())
		j.Rows([]string{"app"}, labels(), follow)
		var all sync.WaitGroup
		all.Go(func() { j.Report("app")(event.Exec{PID: 1}) })
		all.Go(func() { j.Report(event.Task)(event.Shutdown{Cause: "TERM"}) })
		all.Wait()
		if got := fmt.Sprint(reached(j)); got != "[up T2 down T0]" && got != "[down T0]" {
			t.Errorf("reached %v", got)
		}
	}
	stopped = false
	j := New(time.Now())
	j.Rows([]string{"app"}, labels(), follow)
	j.Report("app")(event.Exec{PID: 1})
	j.Report(event.Task)(event.Shutdown{Cause: "TERM"})
	j.Report("app")(event.Exec{PID: 2})
	if got := fmt.Sprint(reached(j)); got != "[up T2 down T0]" {
		t.Errorf("reached %v", got)
	}
	if n := len(j.Entries()); n != 5 {
		t.Errorf("%d entries", n)
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

// What is written is read back, whatever a unit says.
func FuzzWhatIsWrittenIsRead(f *testing.F) {
	f.Add("app", uint(0), "joined", "verified", 3)
	f.Add("lease\n{\"event\":\"exit\"}", uint(1), "\x1b]0;PWN\a", "@module", -1)
	f.Add("  meshtask: ", uint(2), "\xff\xfe\u202e", strings.Repeat("x", maxLine/2), 0)
	f.Fuzz(func(t *testing.T, unit string, kind uint, a, b string, n int) {
		unit, a, b = strings.ToValidUTF8(unit, ""), strings.ToValidUTF8(a, ""), strings.ToValidUTF8(b, "")
		if unit == "" || len(unit)+len(a)+len(b) > maxLine/8 {
			return // no unit has no name; what is cut is tested apart
		}
		events := []event.Event{event.Killed{Name: a, PID: n, Process: b}, event.Restart{Reason: a, N: n}, event.Waiting{What: a, Err: b, Said: 1},
			event.Shutdown{Cause: a}, event.Finish{Cause: a, Code: n, Unit: b}, event.Ended{Err: a}, event.Lease{Name: a}, event.LeaseEnded{Name: a, Code: n},
			event.Drained{Start: int64(n), Protocol: a, Why: b}, event.Left{Result: a, Reason: b}, event.Exit{Name: a, PID: n, Signal: b}}
		want := events[kind%uint(len(events))]
		var text bytes.Buffer
		file := newFile(folder(t.TempDir()), closer{&text})
		New(time.Now(), file.Write).Report(unit)(want)
		if err := file.Close(nil, generous); err != nil {
			t.Fatal(err)
		}
		record, err := Read(&text)
		if err != nil || record.Unused != 0 || len(record.Entries) != 1 {
			t.Fatalf("%#v was read as %+v, %v", want, record, err)
		}
		if got := record.Entries[0]; got.Unit != unit || !cmp.Equal(want, got.Event) {
			t.Errorf("%q %s", got.Unit, cmp.Diff(want, got.Event))
		}
	})
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }
