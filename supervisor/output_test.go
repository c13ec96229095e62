package supervisor

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"meshtask/internal/testbed/eventually"
)

func TestLines(t *testing.T) {
	s := start(t)
	type line struct {
		stream int
		text   string
	}
	for _, tt := range []struct {
		name, script string
		want         []line
	}{
		{"nothing", "exit 0", nil},
		{"both streams", "echo a; sleep 0.05; echo b >&2; sleep 0.05; echo c", []line{{1, "a"}, {2, "b"}, {1, "c"}}},
		{"empty lines", `printf '\n\nx\n'`, []line{{1, ""}, {1, ""}, {1, "x"}}},
		{"last one partial", `printf 'a\nb'`, []line{{1, "a"}, {1, "b"}}},
		{"format verbs and bytes", `printf '%%d %%s \377\n'`, []line{{1, "%d %s \xff"}}},
		{"in pieces", `printf 'a'; sleep 0.02; printf 'b'; sleep 0.02; printf 'c\nd\n'`, []line{{1, "abc"}, {1, "d"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []line
			spec := shell(tt.script)
			spec.Lines = func(stream int, text []byte) { got = append(got, line{stream, string(text)}) }
			c := run(t, s, spec)
			ended(t, c)
			c.Clear(0)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestALongLineComesInPieces(t *testing.T) {
	s := start(t)
	var got bytes.Buffer
	pieces, longest := 0, 0
	spec := shell("head -c 10485760 /dev/zero | tr '\\0' x; echo; echo end")
	spec.Lines = func(_ int, line []byte) {
		if pieces++; len(line) > longest {
			longest = len(line)
		}
		got.Write(bytes.TrimSuffix(line, []byte(`\`)))
		if len(line) < maxLine {
			got.WriteByte('\n')
		}
	}
	c := run(t, s, spec)
	ended(t, c)
	c.Clear(0)
	if want := strings.Repeat("x", 10<<20) + "\nend\n"; got.String() != want {
		t.Errorf("got %d bytes, want %d, the same", got.Len(), len(want))
	}
	if longest != maxLine || pieces < 160 {
		t.Errorf("%d pieces of up to %d bytes", pieces, longest)
	}
	if tail := c.Tail(); tail[len(tail)-1] != "end" || len(tail) != tailSize || len(tail[0]) > tailLine {
		t.Errorf("the tail has %d lines, the first of %d bytes", len(tail), len(tail[0]))
	}
}

func TestTail(t *testing.T) {
	s := start(t)
	for _, n := range []int{0, 1, 19, 20, 21, 47} {
		spec := shell(fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); echo $i; done", n))
		spec.Lines = func(int, []byte) {}
		c := run(t, s, spec)
		ended(t, c)
		c.Clear(0)
		var want []string
		for i := max(1, n-19); i <= n; i++ {
			want = append(want, fmt.Sprint(i))
		}
		if got := c.Tail(); !slices.Equal(got, want) {
			t.Errorf("of %d lines: got %v", n, got)
		}
	}
	c := run(t, s, shell("echo not ours"))
	ended(t, c)
	if got := c.Tail(); got != nil {
		t.Errorf("streams that were handed through have a tail: %v", got)
	}
}

// TestWhoHoldsThePipe: the end of the process is not the end of its log, and the end of
// neither hangs on others.
func TestWhoHoldsThePipe(t *testing.T) {
	s := start(t)
	for _, tt := range []struct{ name, script string }{
		{"a silent process in another session", "echo first; setsid sleep 60 & echo last"},
		{"a process that writes for ever", "echo first; setsid yes more & echo last"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			spec := shell(tt.script)
			spec.Lines = func(_ int, line []byte) { got = append(got, string(line)) }
			c := run(t, s, spec)
			ended(t, c)
			cleared := make(chan struct{})
			go func() { c.Clear(0); close(cleared) }()
			eventually.Get(t, "the end of Clear", cleared)
			// Long writes to a pipe are not atomic: the last line may follow half of another.
			last := slices.ContainsFunc(got, func(line string) bool { return strings.HasSuffix(line, "last") })
			if !slices.Contains(got, "first") || !last {
				t.Errorf("got %q", got[:min(len(got), 10)])
			}
			s.ClearAdopted(0)
		})
	}
	t.Run("no one, and the process lives", func(t *testing.T) {
		spec := shell("echo x; exec >&- 2>&-; read line; exit 3")
		spec.Lines = func(int, []byte) {}
		r, w := pipe(t)
		spec.Stdin = r
		c := run(t, s, spec)
		eventually.Get(t, "the streams' end", c.out.ended)
		select {
		case <-c.Done():
			t.Fatal("the process has ended")
		default:
		}
		w.Close()
		if e := ended(t, c); e.Code != 3 {
			t.Errorf("got %+v", e)
		}
	})
}

// TestAStuckReaderOfLines must not hold up the end.
func TestAStuckReaderOfLines(t *testing.T) {
	s := start(t)
	release := make(chan struct{})
	spec := shell("echo x; echo y")
	spec.Lines = func(int, []byte) { <-release }
	c := run(t, s, spec)
	ended(t, c)
	c.clear(0, 10*time.Millisecond)
	select {
	case <-c.out.ended:
		t.Error("the reader was not stuck")
	default:
	}
	close(release)
	<-c.out.ended
	_ = c.SignalGroup(syscall.SIGKILL)
}

// TestDrainEnds although the writer always refills the pipe in time.
func TestDrainEnds(t *testing.T) {
	r, w := pipe(t)
	refill := func() bool {
		n, err := unix.Write(int(w.Fd()), bytes.Repeat([]byte("more\n"), 800))
		return err == nil && n > 0
	}
	if !refill() {
		t.Fatal("the pipe takes nothing")
	}
	got := 0
	l := splitter{emit: func(line []byte) {
		if got += len(line) + 1; got > 64<<20 {
			t.Fatal("it goes on for ever")
		}
		if got%4000 == 0 {
			refill()
		}
	}}
	new(output).drain(r, &l)
	if got < 16*maxLine-8192 {
		t.Errorf("it read %d bytes only", got)
	}
}
