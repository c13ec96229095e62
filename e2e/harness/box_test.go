package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A box is what the tests of images and sibling containers rely on: PID 1, no
// capability, a tree that cannot be written to, and an end for all that is in it.
func TestBox(t *testing.T) {
	if why := Boxes(t); why != "" && os.Getenv("CI") != "" {
		t.Fatalf("this machine makes no namespaces: %s", why)
	} else if why != "" {
		t.Logf("this machine makes no namespaces (%s): nothing was tested", why)
		return
	}
	root := t.TempDir()
	app := App(t)
	p := StartBox(t, "boxed", Box{Root: root, Binds: []string{"/bin:/bin:ro", "/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", app + ":/app:ro"}, Tmpfs: []string{"/run/state"}, User: 12345},
		[]string{"/bin/sh", "-c", `id -u; echo pid $$; grep -E "^(Cap(Prm|Eff|Bnd)|NoNewPrivs)" /proc/self/status
touch /x 2>/dev/null && echo root is writable; touch /bin/x 2>/dev/null && echo bind is writable; touch /run/state/x && echo state is writable
exec /app --code 7 --life 1ms --listen ""`}, []string{"PATH=/bin"})
	if code := p.Wait(t, time.Minute); code != 7 {
		t.Errorf("exit code %d, want the command's 7", code)
	}
	want := []string{"12345", "pid 1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "state is writable"}
	if got := p.Output(); strings.Contains(got, "root is") || strings.Contains(got, "bind is") {
		t.Errorf("too much is writable:\n%s", got)
	}
	for _, line := range want {
		if !strings.Contains(p.Output(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, p.Output())
		}
	}
	if _, err := os.Stat(filepath.Join(root, "x")); err == nil {
		t.Error("the tree has been written to")
	}
}
