package signame

import (
	"syscall"
	"testing"
)

func TestNamesAreReadBack(t *testing.T) {
	for s := syscall.Signal(1); s <= RTMax; s++ {
		for _, name := range []string{Of(s), Short(s)} {
			if got, ok := Parse(name); !ok || got != s {
				t.Errorf("%d is %q, which is read as %d, %v", int(s), name, int(got), ok)
			}
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": 15, "SIGTERM": 15, "sigterm": 15, "15": 15, "RTMIN": 34, "RTMIN+2": 36, "sigrtmin+30": 64, "64": 64,
		"": 0, "0": 0, "65": 0, "-1": 0, "NOPE": 0, "RTMIN+31": 0, "RTMIN-1": 0, "RTMIN+x": 0, "TERM ": 0, "RTMIN+": 0, "33": 33, "SIG": 0,
	} {
		if got, ok := Parse(text); ok != (want != 0) || ok && got != want {
			t.Errorf("%q is %d, %v; want %d", text, int(got), ok, int(want))
		}
	}
	for s, want := range map[syscall.Signal]string{0: "", 15: "SIGTERM", 36: "SIGRTMIN+2", 32: "32"} {
		if got := Of(s); got != want {
			t.Errorf("%d is %q, want %q", int(s), got, want)
		}
	}
}
