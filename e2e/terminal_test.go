package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"meshtask/e2e/harness"
)

// onTerminal starts a meshtask with a terminal, beside a server of its own.
func onTerminal(t *testing.T, args []string, cmd ...string) (member, *harness.Server) {
	t.Helper()
	server := harness.StartServer(t, harness.ServerConfig{})
	k := harness.StartTask(t, harness.TaskConfig{Name: "terminal", Args: append(args, "--server", server.Address, "--service", "terminal"), CMD: cmd, Terminal: true})
	return member{Task: k}, server
}

// A shell in the mesh: it has the terminal, its jobs too, ^C ends the job in its foreground
// and nothing else, and its end is the task's.
func TestDevOfAShell(t *testing.T) {
	t.Parallel()
	m, server := onTerminal(t, []string{"dev"}, "sh", "-i")
	m.Mark(t, soon, "up", "T2")
	m.Keys(t, "echo sum $((6*7))\n")
	m.says(t, "sum 42")
	shell := m.pid(t, "app", 1)
	if got := m.Foreground(t); got != shell {
		t.Errorf("group %d has the terminal, want the app's, %d", got, shell)
	}
	m.Keys(t, "sleep 600\n")
	harness.Eventually(t, soon, "a job has the terminal", func() error {
		if m.Foreground(t) == shell {
			return fmt.Errorf("the shell has it")
		}
		return nil
	})
	m.Keys(t, "\x03echo still $((1+1))\n")
	m.says(t, "still 2")
	m.Keys(t, "exit 3\n")
	harness.Eventually(t, soon, "the terminal is given back", func() error {
		if got := m.Foreground(t); got != m.PID {
			return fmt.Errorf("group %d has it", got)
		}
		return nil
	})
	if code := m.Wait(t, soon); code != 3 {
		t.Errorf("exit code %d, want the shell's 3:\n%s", code, m.Tail(30))
	}
	if s := m.Summary(t); s.Left != "verified" || s.Deregistered != "verified" {
		t.Errorf("left %s, deregistered %s", s.Left, s.Deregistered)
	}
	server.Empty(t, soon)
}

// ^C reaches an app that is no shell as it would without us, and so does ^Z: that is said,
// and ^C gets one out of it.
func TestJobWithATerminal(t *testing.T) {
	t.Parallel()
	m, server := onTerminal(t, []string{"dev", "--job"}, "sh", "-c", `trap "echo caught; exit 7" INT; echo app is up; while read line; do echo "got $line"; done`)
	m.says(t, "app is up")
	m.Keys(t, "hello\n")
	m.says(t, "got hello")
	m.Keys(t, "\x1a")
	m.says(t, "suspended: unit=app")
	m.says(t, "signal=SIGTSTP")
	if err := syscall.Kill(m.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	m.says(t, "resumed: unit=app")
	m.Keys(t, "again\n")
	m.says(t, "got again")
	m.Keys(t, "\x03")
	m.says(t, "caught")
	if code := m.Wait(t, soon); code != 7 {
		t.Errorf("exit code %d, want the app's 7:\n%s", code, m.Tail(30))
	}
	server.Empty(t, soon)
}

// An app that a signal stops is said to be, in the log, in status and by why, until it is
// continued.
func TestTaskAppIsStopped(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "stopped-app", "stopped-app", nil)
	m.up(t)
	app := m.pid(t, "app", 1)
	if err := syscall.Kill(app, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	m.says(t, "suspended: unit=app")
	m.says(t, "signal=SIGSTOP")
	m.says(t, fmt.Sprintf(`(kill -CONT %d)`, m.PID))
	if u := m.unit(t, "app"); u.State == "up" || u.LastError != "stopped by SIGSTOP" {
		t.Errorf("status has %+v", u)
	}
	text, err := m.why(t, "", "--dir", m.Dir)
	for _, word := range []string{"The app is stopped by SIGSTOP", "stopped by SIGSTOP", "kill -CONT", "(code app-suspended;"} {
		if err != nil || !strings.Contains(text, word) {
			t.Errorf("%v: no %q in\n%s", err, word, text)
		}
	}
	out, err := exec.Command(harness.Meshtask(t), "health", "--dir", m.Dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the app is down: stopped by SIGSTOP") {
		t.Errorf("health says %s, %v", out, err)
	}
	if err := m.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	m.says(t, "resumed: unit=app")
	if u := m.unit(t, "app"); u.State != "up" {
		t.Errorf("status has %+v", u)
	}
	if text, err := m.why(t, "", "--dir", m.Dir); err != nil || !strings.Contains(text, "(code ok;") {
		t.Errorf("%v:\n%s", err, text)
	}
	m.term(t)
	m.ended(t, 0)
}

// unit is one unit as `meshtask status --json` has it.
func (m member) unit(t *testing.T, name string) (found struct {
	Unit, State string
	LastError   string `json:"last_error"`
}) {
	t.Helper()
	out, err := exec.Command(harness.Meshtask(t), "status", "--json", "--dir", m.Dir).Output()
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	var doc struct{ Units []json.RawMessage }
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatalf("status: %v in %s", err, out)
	}
	for _, text := range doc.Units {
		one := found
		if err := json.Unmarshal(text, &one); err == nil && one.Unit == name {
			return one
		}
	}
	t.Fatalf("status has no unit %s: %s", name, out)
	return found
}
