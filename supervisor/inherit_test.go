package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"meshtask/internal/testbed/eventually"
)

// TestMaskAndDispositions starts a supervisor that has inherited blocked and ignored
// signals and a low limit of open files, and looks at its child.
func TestMaskAndDispositions(t *testing.T) {
	var out bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", `trap '' HUP INT QUIT TERM TSTP TTIN TTOU PIPE USR1; ulimit -Sn 123; exec /proc/self/exe-of-test`)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args[2] = strings.Replace(cmd.Args[2], "/proc/self/exe-of-test", self, 1)
	cmd.Env = append(os.Environ(), playKey+"=state")
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	errs := make(chan error)
	go func() { // a fork inherits the mask of its thread, which ends with this goroutine
		runtime.LockOSThread()
		var all unix.Sigset_t
		for i := range all.Val {
			all.Val[i] = 1<<(unix.SIGTERM-1) | 1<<(unix.SIGUSR2-1) | 1<<(unix.SIGCHLD-1)
		}
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil); err != nil {
			errs <- err
		}
		errs <- cmd.Start()
	}()
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	const want = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nfiles 123\nraised\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// playSupervisor is start for a play.
func playSupervisor() *Supervisor {
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, syscall.SIGCHLD)
	s, err := New(chld, nil)
	if err != nil {
		panic(err)
	}
	return s
}

// playChild starts a child that shares our streams.
func playChild(s *Supervisor, spec Spec) *Child {
	spec.Stdin, spec.Stdout, spec.Stderr = os.Stdin, os.Stdout, os.Stderr
	c, err := s.Start(spec)
	if err != nil {
		panic(err)
	}
	return c
}

func playState() {
	s := playSupervisor()
	<-playChild(s, Spec{Name: "grep", Argv: []string{"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}}).Done()
	<-playChild(s, shell("echo files $(ulimit -Sn)")).Done()
	raised := shell(`until [ "$(ulimit -Sn)" = "$(ulimit -Hn)" ]; do :; done; echo raised`)
	raised.MaxFiles = true // takes effect right after the start
	<-playChild(s, raised).Done()
}

// TestAChildOutlivesOurThreads ends threads while children are started: the parent-death
// signal comes when the thread dies that has forked the child.
func TestAChildOutlivesOurThreads(t *testing.T) {
	s := start(t)
	var children []*Child
	for range 30 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(runtime.LockOSThread) // ends locked, and its thread with it
		}
		children = append(children, run(t, s, Spec{Name: "sleep", Argv: []string{"/bin/sleep", "60"}}))
		wg.Wait()
	}
	ended(t, run(t, s, shell("exit 0"))) // whatever was killed before is reaped by now
	for _, c := range children {
		select {
		case <-c.Done():
			t.Fatal("a child has ended: ", c.Exit())
		default:
		}
	}
}

// TestDirectChildrenDieWithUs kills a supervisor that is not PID 1 the hard way.
func TestDirectChildrenDieWithUs(t *testing.T) {
	s := start(t)
	var pid int
	got := make(chan struct{})
	spec := player("parent")
	spec.Lines = func(_ int, line []byte) {
		if _, err := fmt.Sscan(string(line), &pid); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		close(got)
	}
	c := run(t, s, spec)
	<-got
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatal("the grandchild does not live: ", err)
	}
	_ = c.Signal(syscall.SIGKILL)
	ended(t, c)
	eventually.True(t, "the grandchild is gone", func() bool { return syscall.Kill(pid, 0) != nil })
}

func playParent() {
	s := playSupervisor()
	c, err := s.Start(Spec{Name: "sleep", Argv: []string{"/bin/sleep", "60"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.PID())
	<-c.Done()
}
