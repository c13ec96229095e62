package journal

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
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
		long := strings.Repeat("lease ", 500)
		for range 2 * maxFile / len(long) {
			j.Add("app", Step, long)
			for len(f.lines) > maxQueue/2 { // the disk is not what is tested
				runtime.Gosched()
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
