package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const prefixed = `{"log":{"app":"prefix"}}`

func streamCases() []kase {
	return []kase{
		{name: "bytes pass untouched from stdin to stdout", run: func(b *bed) {
			sent := make([]byte, 4<<20)
			rng := rand.NewChaCha8([32]byte{1})
			_, _ = rng.Read(sent)
			l := b.start(how{stdin: b.file(sent)}, sh("cat"))
			l.ends(0)
			b.eventually("all bytes", func() bool { return l.out.String() == string(sent) })
			if l.err.String() != "" {
				b.Errorf("stderr: %q", l.err.String())
			}
		}},
		{name: "the streams are handed through", run: handedThrough},
		{name: "an app may close its streams", run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "closed")
			l := b.start(how{}, sh(`exec <&- >&- 2>&-; trap 'exit 9' TERM; : >"$1"; while :; do sleep 0.02; done`, file))
			b.eventually("it lives without", func() bool { return exists(file) })
			l.signal(syscall.SIGTERM)
			l.ends(9)
		}},
		{name: "a held pipe does not hold the exit", run: func(b *bed) {
			l := b.start(how{}, sh(`sleep 600 & exit 3`))
			l.ends(3) // long before the holder does
		}},
		{name: "a prefix keeps lines whole", own: true, run: wholeLines},
		{name: "a last line without its end is printed", own: true, run: func(b *bed) {
			l := b.start(how{config: prefixed}, sh("printf 'one\ntwo'; printf three >&2"))
			l.ends(0)
			b.eventually("both", func() bool {
				return l.out.String() == "[app] one\n[app] two\n" && l.err.String() == "[app] three\n"
			})
		}},
		{name: "a deaf holder of a pipe does not hold the exit", own: true, run: func(b *bed) {
			l := b.start(how{config: prefixed}, sh(`setsid "$1" signals 0 & exit 3`, payload()[0]))
			l.ends(3) // after TERM, two seconds, KILL
		}},
		{name: "a reader that is stuck does not hold the stop", own: true, run: stuckReader},
		{name: "a reader that has gone does not end the init", own: true, run: goneReader},
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// file is an open file with a text.
func (b *bed) file(text []byte) *os.File {
	b.Helper()
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// stuck is a pipe that nobody reads.
func (b *bed) stuck() (r, w *os.File) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// handedThrough: with the very files there is nothing between app and reader to be slow.
func handedThrough(b *bed) {
	r, w := b.stuck()
	l := b.start(how{stdin: r, stderr: w}, []string{"/bin/readlink", "/proc/self/fd/0", "/proc/self/fd/2"})
	l.ends(0)
	b.lines(l, linkOf(r), linkOf(w))
}

func linkOf(f *os.File) string {
	link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	return link
}

// wholeLines: both streams of the app, and ours, are one pipe, and lines are as long as 64
// KiB. Each line must come out whole.
func wholeLines(b *bed) {
	var out capture
	w := out.pipe(b)
	var lines []byte
	for n := range 40 {
		lines = append(append(lines, bytes.Repeat([]byte{byte('a' + n%26)}, 64<<10-1)...), '\n')
	}
	f := b.file(lines)
	l := b.start(how{config: prefixed, stdin: nil, stdout: w, stderr: w}, sh(`cat "$1" & cat "$1" >&2; wait`, f.Name()))
	w.Close()
	l.ends(0)
	var got []string
	b.eventually("all lines", func() bool { got = out.lines(); return len(got) >= 80 })
	for _, line := range got {
		text, ok := strings.CutPrefix(line, "[app] ")
		if !ok || len(text) != 64<<10-1 || strings.Count(text, text[:1]) != len(text) {
			b.Fatalf("a line was cut or mixed: %d bytes, %.40q…", len(line), line)
		}
	}
}

// stuckReader: nobody reads, the app writes as much as it can and is deaf to nothing.
func stuckReader(b *bed) {
	for _, config := range []string{"", prefixed, `{"log":{"app":"prefix","level":"trace"}}`} {
		_, w := b.stuck()
		file := filepath.Join(b.TempDir(), "up")
		l := b.start(how{config: config, flags: []string{"--stop-timeout", "10m"}, stdout: w, stderr: w}, sh(`: >"$1"; exec yes`, file))
		b.eventually("the app runs", func() bool { return exists(file) && full(w) })
		l.signal(syscall.SIGTERM)
		l.ends(143) // long before the budget is spent
	}
}

// full says whether a pipe takes no more.
func full(w *os.File) bool {
	raw, err := w.SyscallConn()
	if err != nil {
		return true
	}
	fds := []unix.PollFd{{Events: unix.POLLOUT}}
	_ = raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		_, err = unix.Poll(fds, 0)
	})
	return err == nil && fds[0].Revents&unix.POLLOUT == 0
}

func goneReader(b *bed) {
	for _, config := range []string{prefixed, `{"log":{"app":"prefix","level":"trace"}}`} {
		r, w := b.stuck()
		r.Close()
		l := b.start(how{config: config, stdout: w, stderr: w}, sh(`for i in 1 2 3 4 5; do echo line; echo line >&2; done; exit 5`))
		l.ends(5)
		b.start(how{config: config, stdout: w, stderr: w}, []string{"no-such-command"}).ends(127)
	}
	l := b.start(how{before: sh(`exec <&- >&- 2>&-; exec "$@"`), config: prefixed}, sh(`echo line; exit 6`))
	l.ends(6)
	if slices.Contains(l.out.lines(), "line") {
		b.Error("a closed stream was written to")
	}
}
