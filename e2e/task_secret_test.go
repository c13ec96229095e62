package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// The app of a task in which all have one user cannot read what meshtask was given: neither
// its environment nor its memory; and that of agent and Envoy, which no exec would keep from
// it, has no secret. None of them leaves a core file or becomes more than it was.
func TestTaskAppOfTheSameUserFindsNoSecret(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	m := prepare(t, server, "same-user", "same-user", func(c map[string]any) {
		delete(c["service"].(map[string]any), "port")
		c["app"] = map[string]any{"env": map[string]any{"GIVEN": "env:PASSWORD"}}
	})
	const script = `
for p in $PPID $(cat /proc/$PPID/task/*/children); do
	[ $p = $$ ] && continue
	if tr '\0' '\n' </proc/$p/environ 2>/dev/null | grep -e "$1" -e ^PASSWORD=; then echo "LEAK of $p"; fi
	if [ $p = $PPID ] && ( exec 3</proc/$p/mem ) 2>/dev/null; then echo "LEAK: memory of $p"; fi
done
[ "$GIVEN" = sesame ] && echo looked everywhere
exec sleep 600`
	cfg := harness.TaskConfig{Name: "same-user", CMD: []string{"/bin/sh", "-c", script, "sh", server.Token},
		Binary: harness.Plain(t), // the race detector's needs cgo, which leaves our own threads out
		Env:    []string{"PASSWORD=sesame", "CONSUL_HTTP_TOKEN=" + server.Token, "AGENT_TOKEN=" + server.Token}}
	if os.Geteuid() == 0 { // root may look everywhere
		cfg.User = 4242
	}
	cfg.Dir = filepath.Join(mine(t, cfg.User), "state")
	doc, err := json.Marshal(m.config)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Env = append(cfg.Env, "MESHTASK_CONFIG_JSON="+string(doc))
	m.Task = harness.StartTask(t, cfg)
	m.up(t)
	m.says(t, "looked everywhere")
	if out := m.Output(); strings.Contains(out, "LEAK") {
		t.Errorf("the app found a secret:\n%s", out)
	}
	agent, envoy, app := m.pid(t, "consul-agent", 1), m.pid(t, "envoy", 1), m.pid(t, "app", 1)
	for who, pid := range map[string]int{"meshtask": m.PID, "consul-agent": agent, "envoy": envoy, "app": app} {
		if got := field(t, pid, "status", "NoNewPrivs:"); got != "1" {
			t.Errorf("%s: NoNewPrivs is %s", who, got)
		}
		soft := strings.Fields(field(t, pid, "limits", "Max core file size"))[0]
		ours := strings.Fields(field(t, os.Getpid(), "limits", "Max core file size"))[0]
		if want := map[bool]string{true: ours, false: "0"}[who == "app"]; soft != want {
			t.Errorf("%s: core files are limited to %s, want %s", who, soft, want)
		}
	}
	m.term(t)
	m.ended(t, 143)
}

// mine is a directory of the user's that a process of theirs can reach.
func mine(t *testing.T, user uint32) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "same-user")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if user != 0 {
		if err := os.Chown(dir, int(user), int(user)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// field reads the rest of a line of a file in /proc/PID.
func field(t *testing.T, pid int, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("%s of %d has no line %s", file, pid, name)
	return ""
}
