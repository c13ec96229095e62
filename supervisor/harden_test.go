package supervisor

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestAChildOfTheSameUserCannotLookIntoUs plays a meshtask, as root and as nobody in
// particular, whose child tries to read what it holds. What it can read of one that is not
// hardened shows that the tries have teeth.
func TestAChildOfTheSameUserCannotLookIntoUs(t *testing.T) {
	open := []string{
		"environ: SECRET=sesame", "memory: opened", "trace: done",
		"NoNewPrivs: child 0, us 0", "cores of us: kept", "cores of a child: kept", "cores of a secretive child: 0",
		"own children: seen", "own cgroup: read",
	}
	shut := []string{
		"environ: ", "memory: refused", "trace: operation not permitted",
		"NoNewPrivs: child 1, us 1", "cores of us: 0 and the same hard", "cores of a child: kept", "cores of a secretive child: 0",
		"own children: seen", "own cgroup: read",
	}
	// A test with cgo, unlike the program, cannot reach all of its threads: what /proc says
	// of us is then whether the first one happens to be that of the forks.
	_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_GETPID, 0, 0, 0)
	cgo := errno == syscall.ENOTSUP
	for harden, want := range map[string][]string{"no": open, "yes": shut} {
		t.Run("hardened="+harden, func(t *testing.T) {
			spec := player("secretive", "SECRET=sesame", "HARDEN="+harden)
			if os.Geteuid() == 0 { // root may look everywhere
				spec.User = &User{UID: 4242, GID: 4242}
			}
			got := strings.Split(strings.TrimSpace(outputOf(t, start(t), spec)), "\n")
			if cgo && len(got) > 3 {
				got[3] = strings.Replace(got[3], "us 0", "us 1", 1)
				want[3] = strings.Replace(want[3], "us 0", "us 1", 1)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// playSecretive is a process with a secret, and children that want it.
func playSecretive() {
	s := playSupervisor()
	var given, now unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &given)
	given.Cur = given.Max // so that there is something to take
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &given)
	if os.Getenv("HARDEN") == "yes" {
		if err := s.Harden(); err != nil {
			fmt.Println(err)
		}
	}
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &now)
	say := func(what, text string) { fmt.Printf("%s: %s\n", what, text) }
	say("environ", playLine(s, shell(`tr '\0' '\n' 2>&1 </proc/$PPID/environ | grep ^SECRET`)))
	say("memory", playLine(s, shell(`if ( exec 3</proc/$PPID/mem ) 2>/dev/null; then echo opened; else echo refused; fi`)))
	say("trace", playLine(s, player("tracer")))
	say("NoNewPrivs", playLine(s, shell(`n() { grep NoNewPrivs $1 | cut -f2; }; echo "child $(n /proc/self/status), us $(n /proc/$PPID/status)"`)))
	switch {
	case now == given:
		say("cores of us", "kept")
	default:
		say("cores of us", strings.Replace(fmt.Sprint(now.Cur, " ", now.Max == given.Max), "0 true", "0 and the same hard", 1))
	}
	cores := shell(`ulimit -S -c; ulimit -H -c`)
	limit := playLine(s, cores)
	kept := strings.Fields(limit)
	if len(kept) == 2 && kept[0] == kept[1] && kept[0] != "0" {
		limit = "kept"
	}
	say("cores of a child", limit)
	secretive := shell(`ulimit -S -c`)
	secretive.NoCore = true
	say("cores of a secretive child", playLine(s, secretive))
	say("own children", seen(s))
	if _, err := os.ReadFile("/proc/self/cgroup"); err != nil {
		say("own cgroup", err.Error())
	} else {
		say("own cgroup", "read")
	}
}

// seen says whether the reaper still finds our children in /proc.
func seen(s *Supervisor) string {
	c, err := s.Start(shell("exec sleep 60"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.SignalGroup(syscall.SIGKILL); <-c.Done(); c.Clear(0) }()
	if !slices.Contains(children(), c.PID()) || !slices.Contains(childrenByStat(), c.PID()) {
		return "not seen"
	}
	return "seen"
}

// playLine is what a child prints, in one line.
func playLine(s *Supervisor, spec Spec) string {
	var lines []string
	spec.Lines = func(_ int, line []byte) { lines = append(lines, string(line)) }
	c, err := s.Start(spec)
	if err != nil {
		return err.Error()
	}
	<-c.Done()
	c.Clear(0)
	return strings.Join(lines, " ")
}

// playTracer tries to trace its parent, for a moment.
func playTracer() {
	runtime.LockOSThread()
	if err := seize(os.Getppid()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("done") // our end lets it go
}
