package eventually

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

type failure struct{ text string }

func (f *failure) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...) }

func TestTrue(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		fails bool
	}{"at once": {}, "soon": {after: time.Second}, "at the end": {after: Patience}, "never": {after: time.Hour, fails: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, f := time.Now(), &failure{}
				True(f, "the file is there", func() bool { return time.Since(begun) >= c.after })
				want := ""
				if c.fails {
					want = "not within 2m0s: the file is there"
				}
				if f.text != want {
					t.Errorf("got %q, want %q", f.text, want)
				}
			})
		})
	}
}
