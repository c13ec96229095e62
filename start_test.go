package meshtask_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// maxInit is what all packages together may allocate before main, and maxPackage what
// one of them may. Go runs it for every command, so `run --no-mesh` pays for what only
// the mesh needs. It is 0.89 MB, of which the rules for endpoints of seven services of
// AWS have 0.56 MB, at most 0.09 MB each, and Prometheus' client and protobuf 0.2 MB.
// The next generation of the SDK's clients has tables of schemas as well: 3.4 MB in
// all, 0.13 MB for the smallest service alone.
const (
	maxInit    = 928 << 10
	maxPackage = 96 << 10
	// maxBinary is far above the 14 MB that it has, and below the 27 MB that it had when
	// something looked methods up by name (text/template): the linker then keeps every
	// method of every client of AWS.
	maxBinary = 20 << 20
)

// The bytes are counted, not the time, which depends on the machine.
func TestStartIsLean(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "meshtask")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "./cmd/meshtask")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(bin); err != nil || info.Size() > maxBinary {
		t.Errorf("the binary has %d bytes, the limit is %d: go build -ldflags=-dumpdep, and look for ReflectMethod (%v)", info.Size(), maxBinary, err)
	}
	cmd := exec.Command(bin, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	total, packages := 0, 0
	for lines := bufio.NewScanner(strings.NewReader(trace.String())); lines.Scan(); {
		f := strings.Fields(lines.Text()) // init PACKAGE @0.1 ms, 0.01 ms clock, 48 bytes, 1 allocs
		if len(f) < 8 || f[0] != "init" {
			continue
		}
		n, err := strconv.Atoi(f[7])
		if err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if total, packages = total+n, packages+1; n > maxPackage {
			t.Errorf("%s allocates %d bytes before main, the limit is %d", f[1], n, maxPackage)
		}
	}
	if packages < 20 {
		t.Fatalf("only %d packages in the trace:\n%s", packages, trace.String())
	}
	if total > maxInit {
		t.Errorf("all packages allocate %d bytes before main, the limit is %d: see docs/adr/0016-the-sdks-clients.md", total, maxInit)
	}
}
