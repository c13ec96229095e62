package inspect

import (
	"os"
	"syscall"
	"testing"
)

// A signal that is not a user's wish to end is none; one that is ends the watch, as does show.
func TestWatchEnds(t *testing.T) {
	signals := make(chan os.Signal, 2)
	signals <- syscall.SIGWINCH
	signals <- syscall.SIGTERM
	for name, goOn := range map[string]bool{"a signal": true, "show": false} {
		shown := 0
		gone, err := Places{}.Watch(signals, Found{Dir: t.TempDir()}, func(Found) bool { shown++; return goOn })
		if gone != nil || err != nil || shown != 1 {
			t.Errorf("%s: %v, %v, shown %d times", name, gone, err, shown)
		}
	}
	if len(signals) != 0 {
		t.Errorf("%d signals are left", len(signals))
	}
}

// A task that does not answer any more, and has left nothing, is an error.
func TestWatchATaskThatIsGone(t *testing.T) {
	gone, err := Places{}.Watch(nil, Found{Dir: t.TempDir()}, func(Found) bool { return true })
	if gone != nil || err == nil {
		t.Errorf("%v, %v", gone, err)
	}
}
