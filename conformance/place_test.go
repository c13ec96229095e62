package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// place is where an init runs: "pid1", "shared" (in a pid namespace of someone else's),
// "below" another init, or "child" of this test.
type place struct {
	name  string
	above []string // the other init
}

// inside mounts /proc of the namespace and becomes the init.
const inside = `mount -t proc proc /proc && exec "$@"`

func findPlaces() (all []place, reason string) {
	probe := exec.Command("/bin/sh", "-c", inside, "sh", "true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS}
	if out, err := probe.CombinedOutput(); err != nil {
		return []place{{name: "child"}}, fmt.Sprintf("not as PID 1 but as a plain child with a subreaper: no pid namespace can be made (run as root): %v %s", err, out)
	}
	above := []string{*binDir + "/meshtask", "run", "--no-mesh", "--"}
	if path, err := exec.LookPath("tini"); err == nil {
		above = []string{path, "--"}
	} else {
		reason = "tini is not installed: meshtask runs below another meshtask instead"
	}
	return []place{{name: "pid1"}, {name: "shared"}, {name: "below", above: above}}, reason
}

// start starts argv as cmd.
func (p place) start(b *bed, cmd *exec.Cmd, argv []string) error {
	attr := cmd.SysProcAttr
	attr.Pdeathsig = syscall.SIGKILL // and with PID 1 the whole namespace
	var namespace *os.File
	switch p.name {
	case "child":
	case "shared":
		namespace = b.pause()
		attr.Unshareflags = syscall.CLONE_NEWNS
		attr.Pdeathsig = 0 // it dies with PID 1; a parent outside looks like a dead one to os/exec
	default:
		argv = append(p.upper(cmd), argv...)
		attr.Cloneflags, attr.Unshareflags = syscall.CLONE_NEWPID, syscall.CLONE_NEWNS
	}
	if p.name != "child" {
		argv = append(sh(inside), argv...)
	}
	cmd.Path, cmd.Args = argv[0], argv
	return onThread(func() error {
		if namespace == nil {
			return cmd.Start()
		}
		own, err := os.Open("/proc/self/ns/pid")
		if err != nil {
			return err
		}
		defer own.Close()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWPID); err != nil {
			return err
		}
		err = cmd.Start()
		if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWPID); back != nil {
			panic(back) // nothing that this thread starts would be where it should be
		}
		return err
	})
}

// upper is the other init's command up to its own: what the environment says to meshtask is for the
// one that is tested, not for one above it.
func (p place) upper(cmd *exec.Cmd) []string {
	argv := slices.Clone(p.above)
	ours := func(v string) bool { return strings.HasPrefix(v, "MESHTASK_") }
	if len(argv) > 0 && filepath.Base(argv[0]) == "meshtask" && slices.ContainsFunc(cmd.Env, ours) {
		argv = append(argv, "/usr/bin/env")
		for _, v := range cmd.Env {
			if ours(v) {
				argv = append(argv, v)
			}
		}
		cmd.Env = slices.DeleteFunc(slices.Clone(cmd.Env), ours)
	}
	return argv
}

// pause makes a pid namespace whose PID 1 does nothing but reap.
func (b *bed) pause() *os.File {
	var out capture
	w := out.pipe(b)
	cmd := &exec.Cmd{Path: payload()[0], Args: payload("pause"), Stdout: w,
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}}
	err := onThread(cmd.Start)
	w.Close()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	b.eventually("the namespace is there", func() bool { return out.String() != "" })
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// onThread runs f on the one thread that starts everything: what is started dies with the
// thread, and a change of namespace must not touch another one.
func onThread(f func() error) error {
	thread().Lock()
	defer threadMu.Unlock()
	err := make(chan error)
	jobs <- func() { err <- f() }
	return <-err
}

var (
	threadMu sync.Mutex
	once     sync.Once
	jobs     = make(chan func())
)

func thread() *sync.Mutex {
	once.Do(func() {
		go func() { // for life
			runtime.LockOSThread()
			for job := range jobs {
				job()
			}
		}()
	})
	return &threadMu
}

// children lists the child processes of a process, zombies included, oldest first.
func children(pid int) []int {
	var pids []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for field := range strings.FieldsSeq(string(text)) {
			if kid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, kid)
			}
		}
	}
	return pids
}

// descendants lists children, then theirs.
func descendants(pid int) []int {
	all := children(pid)
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

// stat is one field of /proc/PID/stat, counted from the state as 0; "" when it has gone.
func stat(pid, field int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return fields[field]
}

// alive says whether a process runs, stopped or not.
func alive(pid int) bool {
	state := stat(pid, 0)
	return state != "" && state != "Z" && state != "X"
}
