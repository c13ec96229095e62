package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		{name: "an exec that fails is said", run: func(b *bed) {
			b.refuses(127, b.executable("#!/no/such/interpreter\n"), how{}, "")
		}},
		{name: "an exec that fails is said with its reason", own: true, run: func(b *bed) {
			b.refuses(127, b.executable("#!/no/such/interpreter\n"), how{}, "its interpreter does not")
			b.refuses(126, b.executable("\x7fELF, and nothing else"), how{}, "no program for this machine")
			b.refuses(127, b.executable("#!/no/such/interpreter\n"), how{config: `{"log": {"level": "error"}}`}, "its interpreter does not")
		}},
		{name: "a missing directory is said", own: true, places: []string{"pid1", "child", "shared"}, run: func(b *bed) {
			b.refuses(126, "/bin/true", how{config: `{"app": {"dir": "/no/such/directory"}}`}, "the working directory: stat /no/such/directory")
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

// executable makes an executable file.
func (b *bed) executable(content string) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "program")
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		b.Fatal(err)
	}
	return file
}

// refuses runs a command that cannot be executed: one line says which, and why.
func (b *bed) refuses(status int, command string, h how, why string) {
	b.Helper()
	l := b.start(h, []string{command})
	if got := l.wait(); got != status {
		b.Errorf("%s: status %d, want %d", command, got, status)
	}
	said := strings.Split(strings.TrimSuffix(l.err.String(), "\n"), "\n")
	if len(said) != 1 || !strings.Contains(said[0], command) || !strings.Contains(said[0], why) {
		b.Errorf("%s: standard error is %q, want one line with the command and %q", command, said, why)
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
