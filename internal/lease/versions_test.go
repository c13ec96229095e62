package lease

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/internal/testbed/eventually"
)

// The containers of a task may be of two builds, the next version in one and this one in the other: they
// meet at the best version that both speak, whichever is the newer, and at none where there is none.
func TestProtocolsMeet(t *testing.T) {
	const one, two = "meshtask-lease/1", "meshtask-lease/2"
	for _, c := range []struct {
		spoken, offers []string
		want           string
	}{
		{[]string{one}, []string{one}, one},
		{[]string{two, one}, []string{one}, one},               // a mesh of N, an app of N-1
		{[]string{one}, []string{two + ", " + one}, one},       // a mesh of N-1, an app of N
		{[]string{two, one}, []string{one + "," + two}, two},   // the best, not the first
		{[]string{two, one}, []string{"h2c", one, two}, two},   // several headers
		{[]string{two}, []string{one}, ""},                     // two versions apart
		{[]string{one}, []string{two}, ""},                     //
		{[]string{one}, []string{"MESHTASK-LEASE/1 "}, one},    // HTTP's tokens have no case
		{[]string{one}, []string{"meshtask-lease/11", ""}, ""}, // no prefixes
		{[]string{one}, nil, ""},
	} {
		if got := agreed(c.spoken, c.offers); got != c.want {
			t.Errorf("%q meets %q at %q, want %q", c.spoken, c.offers, got, c.want)
		}
	}
	if spoken := protocols(); spoken[0] != protocol || agreed(spoken, []string{"meshtask-lease/1"}) == "" {
		t.Errorf("%q: the newest is not first, or version 1, which is published, is gone", spoken)
	}
}

// What each side of a published version says is recorded, with a message and a member that only a
// later build has: today's other side goes through it to the end. A new version adds its recordings.
func TestRecordedPeers(t *testing.T) {
	for _, file := range glob(t, "app") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := newRig(t)
			c, err := net.Dial("tcp", r.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			p := play(t, file, c)
			if got := eventually.Get(t, "lease", r.notes); got != "lease" {
				t.Fatal(got)
			}
			r.up(t)
			eventually.True(t, "the app is told that the mesh is up", func() bool { return p.passed("up") })
			close(r.stop)
			if got := eventually.Get(t, "code", r.notes); got != "lease-ended" {
				t.Error(got)
			}
			if err := eventually.Get(t, "end of the mesh", r.ended); err != nil {
				t.Error(err)
			}
			p.over(t)
		})
	}
	for _, file := range glob(t, "mesh") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ready, told, stop, ended := make(chan bool, 1), make(chan time.Duration, 1), make(chan struct{}), make(chan error, 1)
			h := &Holder{Addr: l.Addr().String(), Name: func(context.Context) string { return "web" }, Code: func() int { return 7 }, GiveUp: func(err error) { t.Error(err) },
				Stop: func(s syscall.Signal, within time.Duration) {
					if s != syscall.SIGINT {
						t.Errorf("told to stop with %v", s)
					}
					told <- within
				}}
			go func() { ended <- h.Run(t.Context(), func() { ready <- true }, stop) }()
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			p := play(t, file, c)
			eventually.Get(t, "ready", ready)
			if within := eventually.Get(t, "stop", told); within != 24300*time.Millisecond {
				t.Errorf("the app has %v", within)
			}
			close(stop)
			if err := eventually.Get(t, "end of the app's side", ended); err != nil {
				t.Error(err)
			}
			p.over(t)
		})
	}
}

func glob(t *testing.T, side string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/v*-" + side + ".txt")
	if err != nil || len(files) < len(protocols()) {
		t.Fatalf("%v of side %s are recorded, want one for each of %q: %v", files, side, protocols(), err)
	}
	return files
}

// player is a recorded peer.
type player struct {
	heard chan string
	done  chan error
	last  string
}

// play says the lines of file that begin with > and waits for those that begin with <, in their order.
// Lines before the first empty one end as HTTP's do.
func play(t *testing.T, file string, c net.Conn) *player {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p := &player{heard: make(chan string, 64), done: make(chan error, 1)}
	go func() {
		r := bufio.NewReader(c)
		for line := range strings.Lines(string(text)) {
			said := strings.ReplaceAll(strings.TrimSuffix(line[1:], "\n"), `\r`, "\r") + "\n"
			if line[0] == '>' {
				if _, err := io.WriteString(c, said); err != nil {
					p.done <- err
					return
				}
				continue
			}
			got, err := r.ReadString('\n')
			for err == nil && got != said && strings.HasSuffix(said, "\r\n") && got != "\r\n" { // another header
				got, err = r.ReadString('\n')
			}
			if err == nil && got != said {
				err = &unexpected{got, said}
			}
			if err != nil {
				p.done <- err
				return
			}
			p.heard <- said
		}
		p.done <- nil
	}()
	return p
}

type unexpected struct{ got, want string }

func (u *unexpected) Error() string { return "got " + u.got + "want " + u.want }

// passed says whether the peer has heard a line with this word.
func (p *player) passed(word string) bool {
	for {
		select {
		case line := <-p.heard:
			p.last += line
		default:
			return strings.Contains(p.last, `"`+word+`"`)
		}
	}
}

func (p *player) over(t *testing.T) {
	t.Helper()
	if err := eventually.Get(t, "end of the recording", p.done); err != nil {
		t.Error(err)
	}
}
