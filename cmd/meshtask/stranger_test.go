package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"meshtask/internal/testbed/eventually"
)

// stranger is the number of another user, whose files only root can make.
const stranger = 4242

// meshtask runs the program and gives its exit code and what it says.
func meshtask(t *testing.T, env []string, args ...string) (code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "meshtask", args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), append([]string{"GORACE=atexit_sleep_ms=0", "MESHTASK_DIR="}, env...)...)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// trap is a directory that somebody else has made before us: every file that a run begins is
// a link to one that is to be destroyed.
func trap(t *testing.T) (dir string, unharmed func()) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "meshtask")
	must(t, os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
	var victims []string
	for _, name := range []string{"lock", "timeline.jsonl", "summary.json.new", "summary.json", "config.json"} {
		victim := filepath.Join(t.TempDir(), "victim")
		must(t, os.WriteFile(victim, []byte("thesis"), 0o600), os.Symlink(victim, filepath.Join(dir, name)))
		victims = append(victims, victim)
	}
	return dir, func() {
		t.Helper()
		for _, v := range victims {
			if text, err := os.ReadFile(v); string(text) != "thesis" {
				t.Errorf("a file of somebody else now holds %q, %v", text, err)
			}
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestARunDestroysNothingByAStrangersLinks(t *testing.T) {
	dir, unharmed := trap(t)
	want := "lock is a symbolic link"
	if os.Geteuid() == 0 {
		must(t, os.Lchown(dir, stranger, stranger))
		want = "belongs to uid 4242, and we run as uid 0"
	} else {
		t.Log("not root: the directory is ours, and only the links are a stranger's")
	}
	code, said := meshtask(t, nil, "run", "--no-mesh", "--dir", dir, "--", "true")
	if code != exitInternal || !strings.Contains(said, want) {
		t.Errorf("exit %d, %s: want %d and %q", code, said, exitInternal, want)
	}
	unharmed()
}

// The parent of dev's directories is at a path that anybody can guess.
func TestDevRefusesAStrangersDirectory(t *testing.T) {
	tmp := t.TempDir()
	parent := filepath.Join(tmp, fmt.Sprintf("meshtask-dev-%d", os.Getuid()))
	must(t, os.Mkdir(parent, 0o700), os.Chmod(tmp, 0o777|os.ModeSticky))
	want := "may be written to by everybody"
	if os.Geteuid() == 0 {
		must(t, os.Lchown(parent, stranger, stranger))
		want = "belongs to uid 4242"
	} else {
		t.Log("not root: the parent is ours, and open to everybody")
		must(t, os.Chmod(parent, 0o777))
	}
	code, said := meshtask(t, []string{"TMPDIR=" + tmp}, "dev", "--service", "web", "--", "true")
	if code != exitInternal || !strings.Contains(said, want) {
		t.Errorf("exit %d, %s: want %d and %q", code, said, exitInternal, want)
	}
	if made, _ := filepath.Glob(parent + "/*"); len(made) > 0 {
		t.Errorf("%v was made in it", made)
	}
}

// What dev runs is what it has made, not what is at the path that it wrote it to.
func TestDevDoesNotReadBackWhatItWrote(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "config.json"), 0o700)) // neither to be read nor to be replaced
	code, said := meshtask(t, nil, "dev", "--service", "web", "--dir", dir, "--", "no-such-command")
	if code != 127 || !strings.Contains(said, "no-such-command") {
		t.Errorf("exit %d, %s: want 127, for the command", code, said)
	}
}

// A socket that anybody could have made says nothing about our task.
func TestHealthDoesNotBelieveAStranger(t *testing.T) {
	dir, _ := trap(t)
	if os.Geteuid() != 0 {
		t.Log("not root: a socket of another user was not tried; a link for a socket is")
		must(t, os.Symlink("/run/x.sock", filepath.Join(dir, "admin.sock")))
	} else {
		l, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
		must(t, err)
		defer l.Close()
		must(t, os.Lchown(filepath.Join(dir, "admin.sock"), stranger, stranger), os.Lchown(dir, stranger, stranger))
	}
	for _, word := range []string{"health", "status", "why", "timeline"} {
		code, said := meshtask(t, nil, word, "--dir", dir)
		if code != 1 || !strings.Contains(said, "belongs to uid 4242") && !strings.Contains(said, "is no socket") && !strings.Contains(said, "is a symbolic link") {
			t.Errorf("%s: exit %d, %s", word, code, said)
		}
	}
	code, said := meshtask(t, []string{"TMPDIR=" + filepath.Dir(dir)}, "health")
	if code != 1 || !strings.Contains(said, "passed over: "+dir) {
		t.Errorf("exit %d, %s: want it named as passed over", code, said)
	}
}

func TestADirectoryOfOursIsClosedBeforeItIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
	if code, said := meshtask(t, nil, "run", "--no-mesh", "--dir", dir, "--", "sh", "-c", `stat -c "%a %n" "$0" "$0"/*`, dir); code != 0 ||
		!strings.HasPrefix(said, "700 ") || strings.Count(said, "\n600 ") != 3 {
		t.Errorf("exit %d; the app saw\n%s", code, said)
	}
}
