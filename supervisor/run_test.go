package supervisor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOutput(t *testing.T) {
	s := start(t)
	why := errors.New("the task stops")
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for name, c := range map[string]struct {
		script string
		limit  time.Duration
		ctx    context.Context
		want   string
		err    string
	}{
		"what it prints, and nothing of its errors": {script: "echo one; echo two >&2; printf three", want: "one\nthree"},
		"a long line is whole":                      {script: "head -c 200000 /dev/zero | tr '\\0' x", want: strings.Repeat("x", 200000)},
		"more than is kept":                         {script: "head -c 5000000 /dev/zero | tr '\\0' x", want: strings.Repeat("x", maxOutput)},
		"a bad end":                                 {script: "echo out; echo first >&2; echo last >&2; exit 3", err: "exited with 3: last"},
		"a bad end with words on stdout":            {script: "echo out; exit 3", err: "exited with 3: out"},
		"a silent bad end":                          {script: "exit 3", err: "exited with 3"},
		"it is too slow":                            {script: "exec sleep 600", limit: 50 * time.Millisecond, err: "sh: it has not ended within 50ms"},
		"it hears no TERM":                          {script: "trap '' TERM; while :; do sleep 1; done", limit: 50 * time.Millisecond, err: "it has not ended within 50ms"},
		"nobody waits for it":                       {script: "exec sleep 600", ctx: stopped, err: "sh: the task stops"},
		"others of its group are killed":            {script: "sleep 600 & echo gone", want: "gone\n"},
		"others hold its pipes":                     {script: "setsid sleep 600 & echo gone", want: "gone\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.limit == 0 {
				c.limit = patience
			}
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			out, err := s.Output(c.ctx, shell(c.script), c.limit)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.HasSuffix(err.Error(), c.err)) {
				t.Errorf("got error %v, want %q", err, c.err)
			}
			if string(out) != c.want {
				t.Errorf("got %d bytes %.40q, want %d bytes %.40q", len(out), out, len(c.want), c.want)
			}
		})
	}
	s.ClearAdopted(0) // who has held the pipes
	exit, ok := errors.AsType[*Exit](func() error { _, err := s.Output(t.Context(), shell("exit 7"), patience); return err }())
	if !ok || exit.Status() != 7 {
		t.Errorf("got %v", exit)
	}
	if _, err := s.Output(t.Context(), Spec{Name: "none", Argv: []string{"/no/such"}}, patience); err == nil {
		t.Error("what is not there was run")
	}
}

// TestOutputNamesWhatKillDoesNotEnd has the child traced, so that it stays a zombie for us
// until its tracer has looked: to us, that is as one in uninterruptible sleep.
func TestOutputNamesWhatKillDoesNotEnd(t *testing.T) {
	s := start(t)
	letGo := make(chan func(), 1)
	spec := shell("echo $$; exec sleep 600")
	r, w := pipe(t)
	spec.ExtraFiles = append(spec.ExtraFiles, w)
	spec.Argv[2] = "echo $$ >&3; exec sleep 600"
	limited, over := context.WithCancelCause(t.Context())
	go func() {
		letGo <- trace(t, firstLine(r))
		over(errors.New("now"))
	}()
	_, err := s.Output(limited, spec, patience)
	(<-letGo)()
	if stuck, ok := errors.AsType[*StuckError](err); !ok || !strings.Contains(stuck.Error(), "sh is still there after KILL: sleep (pid ") {
		t.Errorf("got %v", err)
	}
}

func firstLine(r *os.File) int {
	buf := make([]byte, 32)
	n, _ := r.Read(buf)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	return pid
}

// trace has another process trace pid, and never look at it, until letGo.
func trace(t *testing.T, pid int) (letGo func()) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), playKey+"=holder", "PID="+strconv.Itoa(pid))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Error(err)
		return func() {}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return func() {}
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return func() {}
	}
	if n, err := out.Read(make([]byte, 8)); n == 0 {
		t.Error("the tracer does not trace: ", err)
	}
	return func() { in.Close(); _ = cmd.Wait() }
}

// playHolder traces a process until its standard input ends.
func playHolder() {
	runtime.LockOSThread()
	pid, _ := strconv.Atoi(os.Getenv("PID"))
	if err := seize(pid); err != nil {
		os.Stderr.WriteString("seize: " + err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("holds\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func seize(pid int) error {
	if _, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
