package supervisor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshtask/internal/testbed/eventually"
)

// orphan has a child leave a process behind, and returns its pid.
func orphan(t *testing.T, s *Supervisor, script string) int {
	t.Helper()
	line := make(chan string, 1)
	spec := shell("(exec >/dev/null 2>&1; " + script + ") & echo $!")
	spec.Lines = func(_ int, l []byte) { line <- string(l) }
	c, err := s.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c)
	pid, err := strconv.Atoi(<-line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Clear(0) })
	return pid
}

func vanished(pid int) func() bool {
	return func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return errors.Is(err, os.ErrNotExist)
	}
}

func TestAnOrphanIsAdoptedAndReaped(t *testing.T) {
	s := start(t)
	for _, script := range []string{"exec sleep 60", "exec setsid sleep 60", "setsid sh -c 'setsid sleep 60 & exec sleep 60'"} {
		pid := orphan(t, s, script)
		eventually.True(t, script+" is adopted", func() bool {
			p, ok := process(pid)
			return ok && p.parent == os.Getpid()
		})
		_ = syscall.Kill(pid, syscall.SIGKILL)
		eventually.True(t, script+" is reaped", vanished(pid))
		s.ClearAdopted(0)
	}
}

// TestNoStatusIsLost is the storm: own children with random codes, os/exec children of a
// library's, and orphans in their thousands end at the same time.
func TestNoStatusIsLost(t *testing.T) {
	s := startWith(t, time.Hour) // a busy machine may keep os/exec from its Wait for a second
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				code := rand.IntN(256)
				c, err := s.Start(shell(fmt.Sprintf("(:&);(:&);(:&);(:&); exit %d", code)))
				if err != nil {
					t.Error(err)
					return
				}
				if <-c.Done(); c.exit.Status() != code {
					t.Errorf("own child: exit %d became %+v", code, c.Exit())
				}
				c.Clear(0)
			}
		})
	}
	wg.Go(func() {
		for range rounds {
			code := 1 + rand.IntN(255)
			err := exec.Command("/bin/sh", "-c", fmt.Sprintf("exit %d", code)).Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != code {
				t.Errorf("os/exec child: exit %d became %v", code, err)
			}
		}
	})
	wg.Wait()
	eventually.True(t, "no child is left", func() bool { return len(children()) == 0 })
}

// TestAZombieOfALibraryHidesNothing lets an os/exec child, whose Wait comes late, be the
// first zombie that the kernel reports.
func TestAZombieOfALibraryHidesNothing(t *testing.T) {
	s := startWith(t, time.Hour) // the test may take longer than the grace
	cmd := exec.Command("/bin/sh", "-c", "exit 7")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "it is a zombie", func() bool { return zombie(cmd.Process.Pid) })
	for code := range 20 {
		if e := ended(t, run(t, s, shell(fmt.Sprint("exit ", code)))); e.Code != code {
			t.Errorf("exit %d became %+v", code, e)
		}
		pid := orphan(t, s, "exec sleep 60")
		_ = syscall.Kill(pid, syscall.SIGKILL)
		eventually.True(t, "an orphan behind it is reaped", vanished(pid))
	}
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 {
		t.Errorf("the library's child: exit 7 became %v", err)
	}
}

// TestABurstOfGroups has several groups end while the reaper is held up, so that one
// signal stands for all.
func TestABurstOfGroups(t *testing.T) {
	s := start(t)
	var groups []int
	for range 5 {
		group := orphan(t, s, "exec setsid sh -c 'sleep 60 & sleep 60 & exec sleep 60'")
		eventually.True(t, "the group is complete", func() bool { return len(living(group)) == 3 })
		groups = append(groups, group)
	}
	s.mu.Lock()
	for _, group := range groups {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	for _, group := range groups {
		eventually.True(t, "all have ended", func() bool { return len(living(group)) == 0 })
	}
	s.mu.Unlock()
	for _, group := range groups {
		eventually.True(t, "all are reaped", func() bool { return syscall.Kill(-group, 0) != nil })
	}
}

// TestAnOrphanInOurGroup cannot be told from an os/exec child but by time.
func TestAnOrphanInOurGroup(t *testing.T) {
	start(t)
	out, err := exec.Command("/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_ = syscall.Kill(pid, syscall.SIGKILL)
	eventually.True(t, "it is reaped", vanished(pid))
	if took := time.Since(begun); took < suspectGrace {
		t.Errorf("it was reaped after %v: a slow Wait would have lost its status", took)
	}
}

func TestClear(t *testing.T) {
	s := start(t)
	t.Run("by TERM", func(t *testing.T) {
		c := run(t, s, shell("sleep 60 & sleep 60 & exit 0"))
		ended(t, c)
		if killed := c.clear(patience, killWait); len(killed) != 0 || len(living(c.pid)) != 0 {
			t.Errorf("killed %v, left %v", killed, living(c.pid))
		}
	})
	t.Run("stopped, by TERM", func(t *testing.T) {
		c := run(t, s, shell("sh -c 'kill -STOP $$; exit 0' & until grep -q '^State:.T' /proc/$!/status; do :; done; exit 0"))
		ended(t, c)
		if killed := c.clear(patience, killWait); len(killed) != 0 || len(living(c.pid)) != 0 {
			t.Errorf("killed %v, left %v", killed, living(c.pid))
		}
	})
	t.Run("by KILL", func(t *testing.T) {
		spec := shell("(trap '' TERM; echo deaf; while :; do sleep 0.01; done) & read line; exit 0")
		deaf := make(chan struct{})
		spec.Lines = func(int, []byte) { close(deaf) }
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		spec.Stdin = r
		c := run(t, s, spec)
		<-deaf
		w.Close()
		ended(t, c)
		killed := c.clear(50*time.Millisecond, killWait)
		if len(living(c.pid)) != 0 {
			t.Errorf("left %v", living(c.pid))
		}
		if len(killed) == 0 || !strings.Contains(killed[0].String(), "sh (pid") {
			t.Errorf("killed %v", killed)
		}
	})
}

func TestClearAdopted(t *testing.T) {
	s := start(t)
	if killed := s.ClearAdopted(patience); killed != nil {
		t.Error("with no child at all: ", killed)
	}
	own := run(t, s, Spec{Name: "sleep", Argv: []string{"/bin/sleep", "60"}})
	polite := orphan(t, s, "exec setsid sleep 60")
	deaf := orphan(t, s, "trap '' TERM; setsid sleep 60; :")
	adopted := func(pid int) func() bool {
		return func() bool { p, _ := process(pid); return p.parent == os.Getpid() }
	}
	eventually.True(t, "both are adopted", func() bool { return adopted(polite)() && adopted(deaf)() })
	eventually.True(t, "one is past its trap", func() bool {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", deaf))
		return len(list) > 0
	})
	killed := s.ClearAdopted(50 * time.Millisecond)
	if len(killed) == 0 {
		t.Error("no one was killed")
	}
	eventually.True(t, "none is left", func() bool { return len(s.adopted()) == 0 })
	select {
	case <-own.Done():
		t.Error("an own child was ended")
	default:
	}
}

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		text string
		want proc
		ok   bool
	}{
		{"12 (sh) S 1 12 12 0", proc{12, 1, 12, "sh", 'S', 0, false}, true},
		{"7 (a) b) (c) Z 3 5 0", proc{7, 3, 5, "a) b) (c", 'Z', 0, false}, true},
		{"12 (sh) S 1 12 12 0 -1 4194304 98 0 0 0 1 2 0 0 20 0 3 0", proc{12, 1, 12, "sh", 'S', 3, false}, true},
		{"12 (sh) D 1 12 12 0 -1 4194308 98 0 0 0 1 2 0 0 20 0 1 0", proc{12, 1, 12, "sh", 'D', 1, true}, true},
		{"12 (sh) Z 1 12 12 0 -1 4194308 98 0 0 0 1 2 0 0 20 0 1 0", proc{12, 1, 12, "sh", 'Z', 1, false}, true},
		{"12 (sh) Z 1 12 12 0 -1 4194308 98 0 0 0 1 2 0 0 20 0 2 0", proc{12, 1, 12, "sh", 'Z', 2, true}, true},
		{"7 (x", proc{}, false},
		{"7 (x) S", proc{}, false},
		{"", proc{}, false},
	} {
		got, ok := parseStat([]byte(tt.text))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.text, got, ok)
		}
	}
}

// TestChildrenWithoutTheList is a kernel without CONFIG_PROC_CHILDREN.
func TestChildrenWithoutTheList(t *testing.T) {
	s := start(t)
	c := run(t, s, Spec{Name: "sleep", Argv: []string{"/bin/sleep", "60"}})
	for name, pids := range map[string][]int{"list": children(), "stat": childrenByStat()} {
		if len(pids) != 1 || pids[0] != c.pid {
			t.Errorf("%s: got %v, want %d", name, pids, c.pid)
		}
	}
}
