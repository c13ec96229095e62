package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stranger is another user's number. Only root can make files of another user: elsewhere the
// tests take what root owns for a stranger's, which is less.
const stranger = 4242

func root() bool { return os.Geteuid() == 0 }

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string, uid int) {
	t.Helper()
	must(t, os.Lchown(path, uid, uid))
}

// victim is a file that nobody may change.
func victim(t *testing.T) (path string, check func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(path, []byte("thesis"), 0o600))
	return path, func() {
		t.Helper()
		if text, err := os.ReadFile(path); err != nil || string(text) != "thesis" {
			t.Errorf("the file of somebody else now holds %q, %v", text, err)
		}
	}
}

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Open([]string{dir}, nil)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

func strange(t *testing.T, what string, err error, word string) {
	t.Helper()
	if _, ok := errors.AsType[*StrangeError](err); !ok || !strings.Contains(err.Error(), word) {
		t.Errorf("%s: got %v, want a refusal that says %q", what, err, word)
	}
}

func TestADirectoryThatOthersCouldChangeIsRefused(t *testing.T) {
	file, unchanged := victim(t)
	for name, c := range map[string]struct {
		make func(top string) (dir string)
		word string
	}{
		"link": {func(top string) string {
			must(t, os.Mkdir(top+"/real", 0o700), os.Symlink("real", top+"/dir"))
			return top + "/dir"
		}, "dir is a symbolic link"},
		"open parent": {func(top string) string { must(t, os.Chmod(top, 0o777)); return top + "/dir" }, "written to by everybody (mode 0777, not sticky)"},
		"open far up": {func(top string) string {
			must(t, os.MkdirAll(top+"/a/b", 0o700), os.Chmod(top, 0o777))
			return top + "/a/b/dir"
		}, "written to by everybody"},
		"lock is a link": {func(top string) string {
			must(t, os.Mkdir(top+"/dir", 0o777), os.Symlink(file, top+"/dir/lock"))
			return top + "/dir"
		}, "lock is a symbolic link"},
		"lock is a hard link": {func(top string) string {
			must(t, os.Mkdir(top+"/dir", 0o700), os.Link(file, top+"/dir/lock"))
			return top + "/dir"
		}, "lock is a hard link (2 names)"},
		"lock is a fifo": {func(top string) string {
			must(t, os.Mkdir(top+"/dir", 0o700), unix.Mkfifo(top+"/dir/lock", 0o600))
			return top + "/dir"
		}, "lock is no regular file"},
	} {
		dir := c.make(t.TempDir())
		_, err := Open([]string{dir}, nil)
		strange(t, name, err, c.word)
		unchanged()
		if entries, _ := filepath.Glob(dir + "/[^l]*"); len(entries) > 0 {
			t.Errorf("%s: %v was made in it", name, entries)
		}
	}
}

func TestADirectoryOfAnotherUserIsRefused(t *testing.T) {
	if !root() {
		t.Log("not root: tried with a directory of root's, not with parents, groups and links of another user")
		if _, err := Open([]string{"/usr"}, nil); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "belongs to root") {
			t.Errorf("of root: %v", err)
		}
		return
	}
	for name, c := range map[string]struct {
		make func(top string) (dir string)
		word string
	}{
		"his": {func(top string) string {
			must(t, os.Mkdir(top+"/dir", 0o777))
			chown(t, top+"/dir", stranger)
			return top + "/dir"
		}, "dir belongs to uid 4242, and we run as uid 0"},
		"his parent": {func(top string) string {
			must(t, os.Mkdir(top+"/p", 0o755))
			chown(t, top+"/p", stranger)
			return top + "/p/dir"
		}, "p belongs to uid 4242"},
		"his in a sticky one": {func(top string) string {
			must(t, os.Mkdir(top+"/dir", 0o777), os.Chmod(top, 0o777|os.ModeSticky))
			chown(t, top+"/dir", stranger)
			return top + "/dir"
		}, "dir belongs to uid 4242"},
		"his link on the way": {func(top string) string {
			must(t, os.Mkdir(top+"/ours", 0o700), os.Symlink("ours", top+"/p"), os.Chmod(top, 0o777|os.ModeSticky))
			chown(t, top+"/p", stranger)
			return top + "/p/dir"
		}, "p is a symbolic link of uid 4242"},
		"his group may write": {func(top string) string {
			must(t, os.Mkdir(top+"/p", 0o700), os.Lchown(top+"/p", 0, stranger), os.Chmod(top+"/p", 0o770))
			return top + "/p/dir"
		}, "may be written to by group 4242"},
		"his lock": {func(top string) string {
			must(t, os.Mkdir(top+"/dir", 0o700), os.WriteFile(top+"/dir/lock", []byte("\x1b]0;PWN\a"), 0o666))
			chown(t, top+"/dir/lock", stranger)
			return top + "/dir"
		}, "lock belongs to uid 4242"},
	} {
		dir := c.make(t.TempDir())
		_, err := Open([]string{dir}, nil)
		strange(t, name, err, c.word)
		if err != nil && strings.Contains(err.Error(), "PWN") {
			t.Errorf("%s: his text is in our error: %q", name, err)
		}
	}
}

func TestAStrangersDirectoryIsPassedOver(t *testing.T) {
	top := t.TempDir()
	open, ours := filepath.Join(top, "open"), filepath.Join(top, "ours")
	must(t, os.Mkdir(open, 0o777), os.Chmod(open, 0o777))
	var told []error
	d, err := Open([]string{"/proc/no", filepath.Join(open, "meshtask"), ours}, func(err error) { told = append(told, err) })
	must(t, err)
	defer d.Close()
	if d.Path("x") != filepath.Join(ours, "x") || len(told) != 1 {
		t.Errorf("took %s, told of %v", d.Path("x"), told)
	}
	strange(t, "told of it", errors.Join(told...), "open may be written to by everybody")
}

// Where an image made a directory for root and is run as another user, nothing is wrong.
func TestADirectoryOfRootsIsPassedOverInSilence(t *testing.T) {
	if root() {
		out := asStranger(t, "OPEN_DIRS_AS_STRANGER=/usr:/proc/no")
		if !strings.Contains(out, "belongs to root") || strings.Contains(out, "TOLD") {
			t.Errorf("another user got %q", out)
		}
		return
	}
	t.Log("not root: tried as ourselves")
	if _, err := Open([]string{"/usr", "/proc/no"}, func(err error) { t.Errorf("told of %v", err) }); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

func TestADirectoryOfOursIsClosedToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	must(t, os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o777), os.WriteFile(dir+"/lock", nil, 0o666), os.Chmod(dir+"/lock", 0o666))
	d := open(t, dir)
	must(t, d.Write("consul.json", []byte("{}")))
	f, err := d.Create("timeline.jsonl")
	must(t, err, f.Close())
	for name, want := range map[string]os.FileMode{".": 0o700, "lock": 0o600, "consul.json": 0o600, "timeline.jsonl": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
	if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A link of root's or ours on the way is not somebody else's doing: /var/run is one.
func TestOurLinksOnTheWayAreFollowed(t *testing.T) {
	top := t.TempDir()
	must(t, os.MkdirAll(top+"/real/deep", 0o700), os.Symlink("real/../real/deep", top+"/relative"), os.Symlink(top+"/relative", top+"/absolute"))
	d := open(t, top+"/absolute/state")
	must(t, d.Write("x", nil))
	if _, err := os.Stat(top + "/real/deep/state/x"); err != nil {
		t.Error(err)
	}
	must(t, os.Symlink("loop", top+"/loop"))
	if _, err := Open([]string{top + "/loop/state"}, nil); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
}

func TestASecondInstanceIsRefusedByItsPid(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	_, err := Open([]string{dir, t.TempDir()}, func(error) {})
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d:", os.Getpid())) {
		t.Errorf("got %v, want the pid %d", err, os.Getpid())
	}
	for _, text := range []string{"\x1b]0;PWN\a 1\n", "-1", "", strings.Repeat("9", 100)} {
		must(t, os.WriteFile(d.Path("lock"), []byte(text), 0o600))
		want := ErrHeld.Error() + ": " + dir + " is held by a live meshtask: give each task its own --dir"
		if _, err := Open([]string{dir}, nil); err == nil || err.Error() != want {
			t.Errorf("lock %q: got %q, want no pid", text, err)
		}
	}
}

func TestHeldComparesTheDeviceToo(t *testing.T) {
	const locks = "1: POSIX  ADVISORY  WRITE 7 fd:00:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 12 fd:01:77 0 EOF\n"
	if !locked(locks, unix.Mkdev(0xfd, 1), 77) {
		t.Error("a lock on the file itself is not seen")
	}
	if locked(locks, unix.Mkdev(0xfd, 2), 77) || locked(locks, unix.Mkdev(0xfd, 0), 77) || locked(locks, unix.Mkdev(0xfd, 1), 7) {
		t.Error("a lock on another file system's file with the same number is taken for ours")
	}
	dir := t.TempDir()
	if Held(dir) {
		t.Error("held before it was taken")
	}
	d, err := Open([]string{dir}, nil)
	must(t, err)
	if !Held(dir) {
		t.Error("not held while it is open")
	}
	must(t, d.Close())
	if Held(dir) {
		t.Error("held after it was closed")
	}
}

func TestFilesAreReplacedNotFollowed(t *testing.T) {
	file, unchanged := victim(t)
	d := open(t, t.TempDir())
	for _, plant := range []func(string) error{
		func(path string) error { return os.Symlink(file, path) },
		func(path string) error { return os.Link(file, path) },
		func(path string) error { return unix.Mkfifo(path, 0o666) },
		func(path string) error { return os.WriteFile(path, []byte("an earlier life"), 0o666) },
		func(string) error { return nil },
	} {
		must(t, os.RemoveAll(d.Path("a")), os.RemoveAll(d.Path("b")), plant(d.Path("a")), plant(d.Path("b")))
		must(t, d.Write("a", []byte("new")))
		f, err := d.Create("b")
		must(t, err)
		_, err = f.WriteString("new")
		must(t, err, f.Close())
		unchanged()
		for _, name := range []string{"a", "b"} {
			info, err := os.Lstat(d.Path(name))
			must(t, err)
			text, _ := os.ReadFile(d.Path(name))
			if string(text) != "new" || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
				t.Errorf("%s holds %q, %v", name, text, info.Mode())
			}
		}
	}
	for _, name := range []string{"../x", "a/b", "", ".", "..", "/etc/x"} {
		_, cerr := d.Create(name)
		for _, err := range []error{d.Write(name, nil), cerr, d.Remove(name), d.Sub(name)} {
			if !errors.Is(err, os.ErrInvalid) {
				t.Errorf("the name %q was taken: %v", name, err)
			}
		}
	}
}

func TestWhatAChildKeepsIsCheckedToo(t *testing.T) {
	file, unchanged := victim(t)
	outside := t.TempDir()
	must(t, os.Mkdir(outside+"/services", 0o700))
	d := open(t, t.TempDir())
	data := d.Path("consul")
	for name, c := range map[string]struct {
		plant func() error
		word  string
	}{
		"a link": {func() error { return os.Symlink(outside, data) }, "consul is a symbolic link"},
		"a link in it": {func() error {
			return errors.Join(os.MkdirAll(data+"/serf", 0o777), os.Symlink(file, data+"/serf/local.snapshot"))
		}, "local.snapshot is a symbolic link"},
		"a hard link": {func() error { return errors.Join(os.Mkdir(data, 0o700), os.Link(file, data+"/node-id")) }, "node-id is a hard link"},
		"another's": {func() error {
			return errors.Join(os.Mkdir(data, 0o700), os.WriteFile(data+"/node-id", nil, 0o600), os.Lchown(data+"/node-id", stranger, stranger))
		}, "node-id belongs to uid 4242"},
	} {
		if name == "another's" && !root() {
			t.Log("not root: a file of another user was not tried")
			continue
		}
		must(t, os.RemoveAll(data), c.plant())
		strange(t, name, d.Sub("consul"), c.word)
		unchanged()
	}
	must(t, os.RemoveAll(data), os.MkdirAll(data+"/serf", 0o777), os.Chmod(data, 0o777), os.Chmod(data+"/serf", 0o777), os.WriteFile(data+"/node-id", []byte("1"), 0o600))
	must(t, d.Sub("consul"), d.Sub("consul"))
	for _, dir := range []string{data, data + "/serf"} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	if text, _ := os.ReadFile(data + "/node-id"); string(text) != "1" {
		t.Error("what an earlier life has left is gone")
	}
}

func TestASharedDirectoryKeepsItsMode(t *testing.T) {
	top := t.TempDir()
	for mode, word := range map[os.FileMode]string{0o755: "", 0o777 | os.ModeSticky: "", 0o777: "may be written to by everybody"} {
		dir := filepath.Join(top, fmt.Sprintf("%o", mode))
		must(t, os.Mkdir(dir, 0o700), os.Chmod(dir, mode))
		d, err := Shared(dir)
		if word != "" {
			strange(t, dir, err, word)
			continue
		}
		must(t, err, d.Write("envoy-bootstrap.json", []byte("{}")), d.Close())
		if info, err := os.Stat(dir); err != nil || info.Mode()&^os.ModeDir != mode {
			t.Errorf("%s: mode %v, want %v", dir, info.Mode(), mode)
		}
	}
}

func TestAPathTooLongForASocketIsRefused(t *testing.T) {
	_, err := Open([]string{filepath.Join(t.TempDir(), strings.Repeat("x", 90))}, nil)
	if !errors.Is(err, ErrLong) || !strings.Contains(err.Error(), "shorter --dir") {
		t.Error(err)
	}
}
