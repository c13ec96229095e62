package statedir

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain is the other user when it is told so.
func TestMain(m *testing.M) {
	if path := os.Getenv("OPEN_AS_STRANGER"); path != "" {
		_, err := os.OpenFile(path, os.O_RDWR, 0)
		fmt.Println(err)
		return
	}
	if dirs := os.Getenv("OPEN_DIRS_AS_STRANGER"); dirs != "" {
		_, err := Open(strings.Split(dirs, ":"), func(err error) { fmt.Println("TOLD", err) })
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

func listen(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "admin.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return path
}

func dial(dir string) error {
	conn, err := Dial(context.Background(), dir, "admin.sock")
	if err == nil {
		err = conn.Close()
	}
	return err
}

func TestASocketIsBelievedByItsOwner(t *testing.T) {
	dir := t.TempDir()
	if err := dial(dir); !os.IsNotExist(err) {
		t.Errorf("no socket: %v", err)
	}
	must(t, os.WriteFile(dir+"/admin.sock", nil, 0o600))
	strange(t, "a file", dial(dir), "is no socket")
	must(t, os.Remove(dir+"/admin.sock"))
	path := listen(t, dir)
	must(t, dial(dir))
	must(t, os.Rename(path, dir+"/other"), os.Symlink("other", path))
	strange(t, "a link", dial(dir), "is no socket")
	if !root() {
		t.Log("not root: a socket of another user was not tried")
		return
	}
	must(t, os.Remove(path), os.Rename(dir+"/other", path))
	chown(t, path, stranger)
	must(t, os.Chmod(dir, 0o700))
	strange(t, "his file in our directory", dial(dir), "admin.sock belongs to uid 4242")
	chown(t, dir, stranger)
	strange(t, "his directory and file, our listener", dial(dir), "is answered by uid 0, and belongs to uid 4242")
}

// Root looks into a task of another user by ECS Exec: one owner of all, and nobody else let in.
func TestRootBelievesATaskOfAnotherUser(t *testing.T) {
	if !root() {
		t.Log("not root: that root's word counts was not tried; that we are not root is")
		_, err := Read("/etc", "hostname")
		strange(t, "a file of root's", err, "belongs to uid 0")
		return
	}
	dir := filepath.Join(t.TempDir(), "task")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(dir+"/timeline.jsonl", []byte("{}\n"), 0o600))
	path := listen(t, dir)
	for _, p := range []string{dir, path, dir + "/timeline.jsonl"} {
		chown(t, p, stranger)
	}
	f, err := Read(dir, "timeline.jsonl")
	must(t, err, f.Close())
	must(t, os.Chmod(dir, 0o755))
	_, err = Read(dir, "timeline.jsonl")
	strange(t, "a directory that is open to others", err, "belongs to uid 4242")
	strange(t, "likewise", dial(dir), "belongs to uid 4242")
	must(t, os.Chmod(dir, 0o700), os.Remove(dir+"/timeline.jsonl"), os.Symlink("/etc/passwd", dir+"/timeline.jsonl"))
	_, err = Read(dir, "timeline.jsonl")
	strange(t, "a link", err, "is a symbolic link")
}

// Whoever could lock our directory first would stop every start: he cannot open the lock.
func TestAnotherUserCannotTakeOurLock(t *testing.T) {
	if !root() {
		t.Log("not root: another user's try is not made; that the directory is 0700 is tested elsewhere")
		return
	}
	top := t.TempDir()
	must(t, os.Chmod(filepath.Dir(top), 0o755), os.Chmod(top, 0o755))
	d := open(t, filepath.Join(top, "state"))
	if out := asStranger(t, "OPEN_AS_STRANGER="+d.Path("lock")); !strings.Contains(out, "permission denied") {
		t.Errorf("he got %q", out)
	}
}

// asStranger runs the test binary as another user: see TestMain.
func asStranger(t *testing.T, env string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755))
	exe, err := os.Executable()
	must(t, err)
	self := filepath.Join(dir, "self.test") // where another user may execute it
	text, err := os.ReadFile(exe)
	must(t, err, os.WriteFile(self, text, 0o755))
	cmd := exec.Command(self)
	cmd.Dir, cmd.Env = "/", []string{env}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
