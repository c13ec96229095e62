package footprint

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestReleaseLowersTheResidentSize(t *testing.T) {
	if err := advise(unix.MADV_POPULATE_READ); err != nil { // all of it, as after a start
		t.Fatal(err)
	}
	before := fileKB(t)
	if err := Release(); err != nil {
		t.Fatal(err)
	}
	if after := fileKB(t); after >= before {
		t.Errorf("%d KB of files before, %d after", before, after)
	}
}

func TestRestNeedsTwoProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	if err := Rest(); err != nil {
		t.Fatal(err)
	}
	if n := runtime.GOMAXPROCS(0); n != 2 {
		t.Errorf("%d processors", n)
	}
}

// fileKB is what of files is resident.
func fileKB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssFile:" {
			kb, _ := strconv.Atoi(f[1])
			return kb
		}
	}
	t.Fatal("no RssFile in /proc/self/status")
	return 0
}

func TestUnchanged(t *testing.T) {
	mapping := func(head string, anonymous string) string {
		return head + "\nSize: 8 kB\nRss: 8 kB\nAnonymous:             " + anonymous + " kB\nVmFlags: rd ex mr\n"
	}
	smaps := mapping("00400000-00b72000 r-xp 00000000 fe:00 9996678   /opt/mesh task", "0") +
		mapping("00b72000-0132a000 r--p 00772000 fe:00 9996678   /opt/mesh task", "0") +
		mapping("0132a000-0133a000 r--p 00782000 fe:00 9996678   /opt/mesh task", "4") + // relocated
		mapping("0133a000-0134a000 rw-p 00792000 fe:00 9996678   /opt/mesh task", "0") +
		mapping("0134a000-0135a000 r--s 00792000 fe:00 9996678   /opt/mesh task", "0") +
		mapping("7f0000000000-7f0000001000 r-xp 00000000 fe:00 1   /lib/libc.so", "0") +
		mapping("7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0   [vdso]", "0")
	got, err := unchanged(strings.NewReader(smaps), "/opt/mesh task")
	want := []span{{0x400000, 0xb72000}, {0xb72000, 0x132a000}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(span{})); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := unchanged(strings.NewReader("zz-1 r-xp 0 0 0 /a\n"), "/a"); err == nil {
		t.Error("a broken address is no error")
	}
}
