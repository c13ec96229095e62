package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// A volume of an init container that no program can be put into, or started from: the container that
// cannot serve is named, with what to write in its definition, and nothing is left in the volume.
func TestInstallSaysWhatIsWrongWithTheVolume(t *testing.T) {
	t.Parallel()
	if why := harness.Boxes(t); why != "" && os.Getenv("CI") != "" {
		t.Fatalf("this machine makes no namespaces: %s", why)
	} else if why != "" {
		t.Logf("this machine makes no namespaces (%s): nothing was tested", why)
		return
	}
	endpoint := harness.StartEndpoint(t, "0a1b2c3d4e5f", "shop", harness.Address(t), "meshtask-install")
	meshtask := harness.Plain(t)
	for name, c := range map[string]struct{ prepare, want, left string }{
		"read-only": {`mount -t tmpfs -o ro none "$1"`, `without "readOnly": true; the app containers may have it read-only`, ""},
		"noexec":    {`mount -t tmpfs -o noexec none "$1"`, "mount it without noexec", ""},
		"occupied":  {`mount -t tmpfs none "$1" && echo x >"$1/meshtask"`, "/meshtask is there and is no meshtask: remove it, or name another directory", "meshtask\n"},
	} {
		dir := filepath.Join(t.TempDir(), "mesh")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		p := harness.StartBox(t, name, harness.Box{}, []string{"sh", "-c", c.prepare + ` && { "$0" install "$1"; code=$?; echo left:; ls -A "$1"; exit $code; }`, meshtask, dir},
			[]string{"PATH=" + os.Getenv("PATH"), "ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI})
		if code := p.Wait(t, soon); code != 210 {
			t.Errorf("%s: exit code %d, want 210:\n%s", name, code, p.Tail(10))
		}
		out := p.Output()
		if !strings.Contains(out, "meshtask: install: container meshtask-install: ") || !strings.Contains(out, c.want) || !strings.Contains(out, dir) {
			t.Errorf("%s: it says\n%s\nwant %q", name, out, c.want)
		}
		if _, left, _ := strings.Cut(out, "left:\n"); left != c.left {
			t.Errorf("%s: in the volume is now %q, want %q", name, left, c.left)
		}
	}
}
