package harness

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPerformEndsWhatItStarted(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(T)
		code int
		says string
	}{
		"good":        {func(T) {}, 0, ""},
		"failed":      {func(s T) { s.Fatalf("the %s fell", "curtain") }, 1, "FAILED: the curtain fell"},
		"interrupted": {func(s T) { interruptMe(s) }, 130, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			var child *Process
			code := Perform(&out, func(s T) {
				child = Start(s, "sleeper", []string{"/bin/sleep", "300"}, nil)
				c.act(s)
			})
			if code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("code %d and %q, want %d and %q", code, out.String(), c.code, c.says)
			}
			select {
			case <-child.Done():
			default:
				t.Error("the child lives on")
			}
		})
	}
}

// interruptMe sends this process the signal that Ctrl-C sends.
func interruptMe(s T) {
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
		s.Fatalf("%v", err)
	}
	Eventually(s, time.Hour, "never", func() error { return errors.New("no") })
}
