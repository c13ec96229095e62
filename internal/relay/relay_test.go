package relay

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
)

type other struct{}

func (other) Signal()        {}
func (other) String() string { return "none of ours" }

// The first signal that stops, the later ones with their number, and all others to the app;
// the count goes on in the next Run.
func TestRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal)
		var said []string
		say := func(what string) func(syscall.Signal) {
			return func(s syscall.Signal) { said = append(said, fmt.Sprint(what, " ", (&Stopped{s}).Error())) }
		}
		r := &Relay{Signals: signals, Stops: func(s syscall.Signal) bool { return s == syscall.SIGTERM || s == syscall.SIGINT },
			Stop: say("stop"), Forward: say("forward"), Again: func(n int, s syscall.Signal) { say(fmt.Sprint("again ", n))(s) }}
		during := func(sent ...os.Signal) {
			over := make(chan struct{})
			done := make(chan struct{})
			go func() { r.Run(over); close(done) }()
			for _, s := range sent {
				signals <- s
			}
			synctest.Wait()
			close(over)
			<-done
		}
		during(syscall.SIGHUP, syscall.SIGPIPE, other{}, syscall.SIGINT)
		during(syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGTERM)
		want := []string{"forward HUP", "stop INT", "again 2 TERM", "forward USR1", "again 3 TERM"}
		if !slices.Equal(said, want) {
			t.Errorf("got %q, want %q", said, want)
		}
	})
}
