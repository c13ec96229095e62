package linewriter

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"meshtask/internal/testbed/eventually"
)

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestLinesStayWhole has many goroutines, and another writer on the same pipe, write at
// the same time; the reader is slow enough for the queue to fill.
func TestLinesStayWhole(t *testing.T) {
	r, w := pipe(t)
	out := New(w)
	const writers, each = 8, 2000
	long := strings.Repeat("z", 3000)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				out.LineWait(fmt.Sprintf("[%d] ", i), fmt.Appendf(nil, "%d %s", n, long[:(n*i)%len(long)]))
			}
		})
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	var sent atomic.Int32
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					fmt.Fprintln(w, "[raw] from elsewhere")
					sent.Add(1)
				}
			}
		})
	}
	go func() {
		wg.Wait()
		out.Close(patience)
		close(done)
		others.Wait()
		w.Close()
	}()
	next := make(map[string]int)
	raw := 0
	lines := bufio.NewScanner(iotest.OneByteReader(bufio.NewReaderSize(r, 512))) // keeps the pipe full
	for lines.Scan() {
		prefix, rest, _ := strings.Cut(lines.Text(), " ")
		if prefix == "[raw]" && rest == "from elsewhere" {
			raw++
			continue
		}
		var n int
		if _, err := fmt.Sscan(rest, &n); err != nil || n != next[prefix] || strings.Trim(rest, "0123456789 z") != "" {
			t.Fatalf("%s: got %.80q, want number %d", prefix, rest, next[prefix])
		}
		next[prefix]++
	}
	for i := range writers {
		if got := next[fmt.Sprintf("[%d]", i)]; got != each {
			t.Errorf("writer %d: %d lines of %d", i, got, each)
		}
	}
	if raw != int(sent.Load()) || raw == 0 || out.Dropped() != 0 {
		t.Errorf("%d lines from elsewhere, %d dropped", raw, out.Dropped())
	}
}

func TestALineLongerThanThePipe(t *testing.T) {
	r, w := pipe(t)
	out := New(w)
	long := bytes.Repeat([]byte("y"), 300<<10)
	go func() {
		out.Line("[a] ", []byte("short"))
		out.LineWait("[b] ", long) // fits only into an empty queue
		_, _ = out.Write([]byte("as a logger\n"))
		out.Close(patience)
		w.Close()
	}()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	// The last one may find the queue full of the long one.
	want := "[a] short\n[b] " + string(long) + "\n"
	if !strings.HasPrefix(string(got), want) {
		t.Errorf("got %d bytes, want %d, the same", len(got), len(want))
	}
}

func TestAStuckReaderCostsLinesOnly(t *testing.T) {
	r, w := pipe(t)
	out := New(w)
	out.Line("", bytes.Repeat([]byte("y"), 2<<20)) // more than any pipe takes: the writing never ends
	eventually.True(t, "the writing has begun", func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return len(out.queue) == 0
	})
	line := bytes.Repeat([]byte("x"), 1000)
	for range 1000 { // a megabyte; the queue holds a quarter of it
		out.Line("", line)
	}
	if out.Dropped() == 0 {
		t.Fatal("nothing was dropped")
	}
	before := out.Dropped()
	waited := make(chan struct{})
	go func() {
		out.LineWait("", line) // waits, as the queue is full
		close(waited)
	}()
	out.Close(10 * time.Millisecond) // returns, and lets it go
	<-waited
	if out.Dropped() != before+1 {
		t.Errorf("dropped %d, then %d", before, out.Dropped())
	}
	r.Close()
	<-out.ended // with EPIPE
}

func TestALateReaderIsToldWhatItMissed(t *testing.T) {
	r, w := pipe(t)
	out := New(w)
	line := bytes.Repeat([]byte("x"), 1000)
	for range 1000 {
		out.Line("", line)
	}
	go out.LineWait("[a] ", []byte("after"))
	lines := bufio.NewScanner(r)
	whole, told := 0, 0
	for lines.Scan() && lines.Text() != "[a] after" {
		var n int
		if lines.Text() == string(line) {
			whole++
		} else if _, err := fmt.Sscanf(lines.Text(), "meshtask: %d lines dropped, the reader was too slow", &n); err == nil {
			told += n
		} else {
			t.Fatal("a line is broken: ", lines.Text())
		}
	}
	if dropped := int(out.Dropped()); told == 0 || told != dropped || whole+told != 1000 {
		t.Errorf("%d lines came, %d were told to be dropped, %d were", whole, told, dropped)
	}
	out.Close(patience)
}

// TestAClosedReader would end a Go program that writes to its stdout as usual.
func TestAClosedReader(t *testing.T) {
	r, w := pipe(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), playKey+"=1")
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	r.Close()
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

const playKey = "LINEWRITER_TEST_PLAY"

func TestMain(m *testing.M) {
	if os.Getenv(playKey) != "" {
		os.Exit(playClosedReader())
	}
	os.Exit(m.Run())
}

func playClosedReader() int {
	out := New(os.Stdout)
	for range 100 {
		out.Line("[a] ", []byte("no one reads this"))
	}
	out.Close(patience)
	if out.Dropped() != 100 {
		fmt.Fprintln(os.Stderr, "dropped", out.Dropped())
		return 1
	}
	return 0
}

const patience = eventually.Patience

func TestANonBlockingDescriptor(t *testing.T) {
	r, w := pipe(t)
	out := New(w)
	if err := syscall.SetNonblock(out.fd, true); err != nil {
		t.Fatal(err)
	}
	line := bytes.Repeat([]byte("x"), 1000)
	go func() {
		for range 500 {
			out.LineWait("", line)
		}
		out.Close(patience)
		w.Close()
	}()
	got, err := io.ReadAll(r)
	if err != nil || len(got) != 500*1001 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
