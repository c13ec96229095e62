package conformance

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshtask/internal/testbed/eventually"
)

// bed is where one case runs.
type bed struct {
	*testing.T
	init  program
	place place
}

// life is one run of the init with a command.
type life struct {
	b      *bed
	cmd    *exec.Cmd
	name   string  // of the init's process
	out    capture // standard output, or what the terminal shows
	err    capture
	ptmx   *os.File
	done   chan struct{}
	status int // the shell's, valid after done
	took   time.Duration
}

// sh is a command for the shell.
func sh(script string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, args...)
}

func payload(args ...string) []string {
	return append([]string{filepath.Join(*binDir, "payload")}, args...)
}

// start runs a command under the init.
func (b *bed) start(h how, command []string) *life {
	b.Helper()
	argv := b.init(b, h, command)
	path, err := exec.LookPath(argv[0])
	if err != nil {
		b.Fatal(err)
	}
	argv[0] = path
	l := &life{b: b, name: filepath.Base(path), done: make(chan struct{})}
	argv = append(slices.Clone(h.before), argv...)
	var ends []*os.File // of the init, closed here after the start
	l.cmd = &exec.Cmd{Dir: h.dir, Env: h.env, SysProcAttr: &syscall.SysProcAttr{}}
	if h.env == nil {
		l.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GODEBUG=asyncpreemptoff=1"}
	}
	if h.config != "" {
		l.cmd.Env = append(l.cmd.Env, "MESHTASK_CONFIG_JSON="+h.config)
	}
	if h.console {
		ends = append(ends, l.terminal())
	} else {
		l.cmd.Stdin, l.cmd.Stdout, l.cmd.Stderr = h.stdin, h.stdout, h.stderr
		if h.stdin == nil {
			l.cmd.Stdin = nil
		}
		if h.stdout == nil {
			w := l.out.pipe(b)
			l.cmd.Stdout, ends = w, append(ends, w)
		}
		if h.stderr == nil {
			w := l.err.pipe(b)
			l.cmd.Stderr, ends = w, append(ends, w)
		}
	}
	begun := time.Now()
	err = b.place.start(b, l.cmd, argv)
	for _, f := range ends {
		f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.cleanUp)
	go func() {
		_ = l.cmd.Wait()
		l.took = time.Since(begun)
		ws := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if l.status = ws.ExitStatus(); ws.Signaled() {
			l.status = 128 + int(ws.Signal())
		}
		close(l.done)
	}()
	return l
}

func (l *life) cleanUp() {
	rest := descendants(l.cmd.Process.Pid)
	_ = l.cmd.Process.Kill()
	for _, pid := range rest {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-l.done
	if l.b.Failed() {
		l.b.Logf("%v: status %d after %v\nstdout: %.2000s\nstderr: %.2000s", l.cmd.Args, l.status, l.took, l.out.String(), l.err.String())
	}
}

// wait is the shell status of the init.
func (l *life) wait() int {
	l.b.Helper()
	select {
	case <-l.done:
		// What it has printed comes right behind, unless somebody holds the streams.
		eventually.Within(100*time.Millisecond, func() bool { return l.out.ended() && l.err.ended() })
		return l.status
	case <-time.After(*patience):
		l.b.Fatalf("it has not ended within %v", *patience)
		panic("unreachable")
	}
}

// ends fails unless the init ends with a status.
func (l *life) ends(status int) {
	l.b.Helper()
	if got := l.wait(); got != status {
		l.b.Errorf("status %d, want %d", got, status)
	}
}

// signal sends one to the process that a container's runtime would signal.
func (l *life) signal(sig syscall.Signal) {
	l.b.Helper()
	if err := l.cmd.Process.Signal(sig); err != nil {
		l.b.Fatalf("signal %d: %v", sig, err)
	}
}

// see waits for a line of output.
func (l *life) see(line string) {
	l.b.Helper()
	l.b.eventually("the line "+line, func() bool { return slices.Contains(l.out.lines(), line) })
}

// eventually polls, because what it waits for (another process's state) sends no event.
func (b *bed) eventually(what string, ok func() bool) {
	b.Helper()
	if !eventually.Within(*patience, ok) {
		b.Fatalf("not within %v: %s", *patience, what)
	}
}

// pid is the init's own process, once it is there: its place is prepared by a shell, and
// may be below another init.
func (l *life) pid() int {
	l.b.Helper()
	pid := l.cmd.Process.Pid
	l.b.eventually("the init is there", func() bool {
		if l.b.place.name == "below" && comm(l.cmd.Process.Pid) == filepath.Base(l.b.place.above[0]) {
			if kids := children(l.cmd.Process.Pid); len(kids) > 0 {
				pid = kids[0]
			}
		}
		return comm(pid) == l.name
	})
	return pid
}

// app is the command's process.
func (l *life) app() int {
	var pid int
	init := l.pid()
	l.b.eventually("the app is there", func() bool {
		kids := descendants(init)
		if *initName == "s6" && len(kids) > 1 {
			kids = kids[1:]
		}
		if len(kids) > 0 {
			pid = kids[0]
		}
		return pid != 0
	})
	return pid
}

// capture is a stream that is read as it comes.
type capture struct {
	mu   sync.Mutex
	text bytes.Buffer
	open bool
}

func (c *capture) pipe(b *bed) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	c.follow(r)
	return w
}

// follow reads until the stream ends.
func (c *capture) follow(r *os.File) {
	c.open = true
	go func() {
		defer r.Close()
		_, _ = io.Copy(c, r)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.open = false
	}()
}

func (c *capture) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.open
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// lines are the whole lines so far.
func (c *capture) lines() []string {
	text := strings.ReplaceAll(c.String(), "\r\n", "\n")
	lines := strings.Split(text, "\n")
	return lines[:len(lines)-1]
}
