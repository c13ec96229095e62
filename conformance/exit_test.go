package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func exitCases() []kase {
	return []kase{
		{name: "all 256 exit codes", places: []string{"pid1", "child"}, run: func(b *bed) {
			for code := range 256 {
				b.exits(code, sh(fmt.Sprint("exit ", code)))
			}
		}},
		{name: "exit codes", places: []string{"shared", "below"}, run: func(b *bed) {
			for _, code := range []int{0, 1, 2, 64, 126, 127, 128, 255} {
				b.exits(code, sh(fmt.Sprint("exit ", code)))
			}
		}},
		{name: "128 + n for every fatal signal", places: []string{"pid1", "child"}, run: func(b *bed) {
			for sig := syscall.Signal(1); sig <= 64; sig++ {
				switch sig {
				case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN,
					syscall.SIGTTOU, syscall.SIGURG, syscall.SIGWINCH, 32, 33: // these do not end a process
					continue
				}
				b.exits(128+int(sig), sh(fmt.Sprintf("ulimit -c 0; kill -%d $$; sleep 60", int(sig))))
			}
		}},
		{name: "127 for a missing command", run: func(b *bed) {
			b.exits(127, []string{"/no/such/command"})
			b.exits(127, []string{"no-such-command"})
		}},
		{name: "126 for a command that cannot be executed", run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "data")
			if err := os.WriteFile(file, []byte("data"), 0o644); err != nil {
				b.Fatal(err)
			}
			b.exits(126, []string{"/tmp"})
			b.exits(126, []string{file})
		}},
		{name: "a healthy life prints nothing", run: func(b *bed) {
			l := b.start(how{}, sh("exit 0"))
			l.ends(0)
			if out := l.out.String() + l.err.String(); out != "" {
				b.Errorf("it prints %q", out)
			}
		}},
	}
}

// exits runs one short life.
func (b *bed) exits(status int, command []string) {
	b.Helper()
	l := b.start(how{}, command)
	if got := l.wait(); got != status {
		b.Errorf("%v: status %d, want %d", command, got, status)
	}
}
