package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Those that a user sends and a runtime passes on. TERM, the stop, has cases of its own,
// and so have 32 to 34, which Go lets no program catch.
func forwarded() []syscall.Signal {
	all := []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
		syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGVTALRM, syscall.SIGPWR, syscall.SIGIO, syscall.SIGXCPU,
		syscall.SIGXFSZ, syscall.SIGSTKFLT,
	}
	for n := syscall.Signal(35); n <= 64; n++ {
		all = append(all, n)
	}
	return all
}

func signalCases() []kase {
	return []kase{
		{name: "each signal reaches the app once", run: eachOnce},
		{name: "TSTP reaches the app", run: func(b *bed) {
			l := b.start(how{}, payload("signals", "15"))
			l.see("up")
			l.signal(syscall.SIGTSTP)
			l.see("20")
			l.signal(syscall.SIGTERM)
			l.ends(0)
		}},
		{name: "the last of a burst is never lost", run: lastOfBurst},
		{name: "CHLD, URG and PIPE are not passed on", run: neverForwarded},
		{name: "signals that Go cannot catch do not end it", own: true, run: uncatchable},
		{name: "a second TERM is passed on", run: func(b *bed) {
			l := b.start(how{}, payload("signals", "10"))
			l.see("up")
			l.signal(syscall.SIGTERM)
			l.see("15")
			l.signal(syscall.SIGTERM)
			b.eventually("a second TERM", func() bool { return count(l, "15") == 2 })
			l.signal(syscall.SIGUSR1)
			l.ends(0)
		}},
		{name: "a third TERM kills", own: true, run: func(b *bed) {
			l := b.start(how{}, payload("signals", "0"))
			l.see("up")
			for n := 1; n <= 2; n++ {
				l.signal(syscall.SIGTERM)
				b.eventually("the next TERM", func() bool { return count(l, "15") == n })
			}
			l.signal(syscall.SIGTERM)
			l.ends(137) // the app would never have ended, and its budget is half a minute
		}},
		{name: "signal group reaches the whole group", run: toGroup},
		{name: "signal leader reaches the app alone", run: toLeader},
		{name: "the stop signal is the one that was set", own: true, run: stopSignals},
		{name: "a stopped app still ends", run: func(b *bed) {
			l := b.start(how{}, payload("signals", "15"))
			l.see("up")
			app := l.app()
			_ = syscall.Kill(app, syscall.SIGSTOP)
			b.eventually("the app is stopped", func() bool { return stat(app, 0) == "T" })
			l.signal(syscall.SIGTERM)
			l.ends(0)
		}},
		{name: "TERM as the app starts is not lost", own: true, run: earlyTerm},
	}
}

func count(l *life, line string) (n int) {
	for _, got := range l.out.lines() {
		if got == line {
			n++
		}
	}
	return n
}

func eachOnce(b *bed) {
	l := b.start(how{}, payload("signals", "64")) // the last of them
	l.see("up")
	want := []string{"up"}
	for _, sig := range forwarded() {
		l.signal(sig)
		want = append(want, fmt.Sprint(int(sig)))
		l.see(fmt.Sprint(int(sig)))
	}
	l.ends(0)
	if got := l.out.lines(); !slices.Equal(got, want) {
		b.Errorf("the app got %v, want %v", got, want)
	}
}

// lastOfBurst numbers the signals in a file: whatever of them become one, as the kernel
// allows, the app must get one after the last was sent.
func lastOfBurst(b *bed) {
	file := filepath.Join(b.TempDir(), "sent")
	for _, sig := range []syscall.Signal{syscall.SIGUSR1, 40} {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			b.Fatal(err)
		}
		l := b.start(how{}, payload("signals", "15", "", file))
		l.see("up")
		for n := 1; n <= 200; n++ {
			next := file + ".next"
			if err := os.WriteFile(next, fmt.Append(nil, n), 0o644); err != nil {
				b.Fatal(err)
			}
			if err := os.Rename(next, file); err != nil {
				b.Fatal(err)
			}
			l.signal(sig)
		}
		l.see(fmt.Sprintf("%d 200", int(sig)))
		l.signal(syscall.SIGTERM)
		l.ends(0)
	}
}

func neverForwarded(b *bed) {
	l := b.start(how{}, payload("signals", "12"))
	l.see("up")
	for range 3 {
		for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE} {
			l.signal(sig)
		}
	}
	for _, marker := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2} {
		l.signal(marker)
		l.see(fmt.Sprint(int(marker)))
	}
	l.ends(0)
	if got, want := l.out.lines(), []string{"up", "10", "12"}; !slices.Equal(got, want) {
		b.Errorf("the app got %v, want %v", got, want)
	}
}

// family is an app with a child in its group, each of which says what it gets.
const family = `"$1" signals 15 "child " & trap 'echo leader 3' QUIT
trap 'kill -USR1 $!' USR1; trap 'exit 5' TERM; echo leader up; while :; do wait; done`

func toGroup(b *bed) {
	l := b.start(how{group: true}, sh(family, payload()[0]))
	l.see("leader up")
	l.see("child up")
	l.signal(syscall.SIGQUIT)
	l.see("leader 3")
	l.see("child 3")
	l.signal(syscall.SIGTERM)
	l.ends(5)
}

func toLeader(b *bed) {
	l := b.start(how{leader: true}, sh(family, payload()[0]))
	l.see("leader up")
	l.see("child up")
	l.signal(syscall.SIGQUIT)
	l.see("leader 3")
	l.signal(syscall.SIGUSR1) // the leader's trap sends one to the child
	l.see("child 10")
	if out := l.out.String(); strings.Contains(out, "child 3") {
		b.Errorf("the child got it too:\n%s", out)
	}
	l.signal(syscall.SIGTERM)
	l.ends(5)
}

func stopSignals(b *bed) {
	for name, number := range map[string]string{"QUIT": "3", "SIGINT": "2", "USR2": "12", "RTMIN+3": "37"} {
		l := b.start(how{flags: []string{"--stop-signal", name}}, payload("signals", number))
		l.see("up")
		l.signal(syscall.SIGTERM)
		l.ends(0)
		got := slices.DeleteFunc(l.out.lines(), func(line string) bool { return line == "18" }) // CONT goes with it
		if want := []string{"up", number}; !slices.Equal(got, want) {
			b.Errorf("--stop-signal %s: the app got %v, want %v", name, got, want)
		}
	}
}

// earlyTerm sends TERM in the moment that there is an app, which may not have come to exec.
func earlyTerm(b *bed) {
	for range 10 {
		l := b.start(how{}, sh("sleep 60"))
		pid := l.pid()
		b.eventually("there is an app", func() bool { return len(children(pid)) > 0 })
		l.signal(syscall.SIGTERM)
		l.ends(143)
	}
}

func uncatchable(b *bed) {
	l := b.start(how{}, payload("signals", "12"))
	l.see("up")
	for _, sig := range []syscall.Signal{32, 33, 34, syscall.SIGUSR1} {
		l.signal(sig)
	}
	l.see("10") // two that are pending at once come in any order
	l.signal(syscall.SIGUSR2)
	l.ends(0)
	if got, want := l.out.lines(), []string{"up", "10", "12"}; !slices.Equal(got, want) {
		b.Errorf("the app got %v, want %v", got, want)
	}
}
