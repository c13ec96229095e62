package conformance

import (
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The budget of these cases. ECS kills at its end, so the init must have gone by then.
const stopTimeout = 3 * time.Second

func budgetCases() []kase {
	return []kase{
		{name: "a deaf app is killed within the budget", own: true, run: func(b *bed) {
			l, took := b.stop(payload("signals", "0"))
			if l.status != 137 {
				b.Errorf("status %d, want 137", l.status)
			}
			if took < stopTimeout-time.Second {
				b.Errorf("killed after %v: it had %v", took, stopTimeout-700*time.Millisecond)
			}
			if !strings.Contains(l.err.String(), "killed") {
				b.Errorf("it is not named: %q", l.err.String())
			}
		}},
		{name: "deaf children everywhere keep the budget", own: true, run: func(b *bed) {
			l, _ := b.stop(sh(`"$1" signals 0 a & setsid "$1" signals 0 b & setsid sh -c '"$1" signals 0 c & exec "$1" signals 0 d' sh "$1" & exec "$1" signals 0`, payload()[0]))
			if l.status != 137 {
				b.Errorf("status %d, want 137", l.status)
			}
		}},
		{name: "an app that ends leaves stragglers the rest", own: true, run: func(b *bed) {
			l, _ := b.stop(sh(`setsid "$1" signals 0 & trap 'exit 5' TERM; echo up; while :; do wait; done`, payload()[0]))
			if l.status != 5 {
				b.Errorf("status %d, want 5", l.status)
			}
		}},
		{name: "a process that KILL does not end is named", own: true, places: []string{"shared", "child"}, run: undead},
	}
}

// stop runs a command that says up, and stops it. That it is over within the budget is
// lifecycle's promise, kept in fake time; here it is over at all.
func (b *bed) stop(command []string) (*life, time.Duration) {
	b.Helper()
	l := b.start(how{flags: []string{"--stop-timeout", stopTimeout.String()}}, command)
	l.see("up")
	began := time.Now()
	l.signal(syscall.SIGTERM)
	l.wait()
	return l, time.Since(began)
}

// undead: a traced process stays a zombie for its parent until its tracer has looked,
// which this one does not. For the init it is as one in uninterruptible sleep. (PID 1
// itself cannot be gone before it: the kernel waits for the whole namespace.)
func undead(b *bed) {
	l := b.start(how{flags: []string{"--stop-timeout", stopTimeout.String()}}, payload("signals", "0"))
	l.see("up")
	app := l.app()
	if err := onThread(func() error { return ptrace(unix.PTRACE_SEIZE, app) }); err != nil {
		b.Fatal(err)
	}
	defer func() {
		// Its end has not been waited for, so that it is there to be let go.
		_ = onThread(func() error { _, err := unix.Wait4(app, nil, unix.WNOHANG|unix.WALL, nil); return err })
	}()
	l.signal(syscall.SIGTERM)
	l.ends(137) // without having waited for it, which would last
	if want := "still there after KILL: payload (pid "; !strings.Contains(l.err.String(), want) {
		b.Errorf("it is not named: %q", l.err.String())
	}
}

func ptrace(request, pid int) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(pid), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
