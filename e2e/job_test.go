package e2e

import (
	"net/http"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// job prepares a task without a port.
func job(t testing.TB, server *harness.Server, name string, edit func(map[string]any)) member {
	t.Helper()
	return prepare(t, server, name, name, func(c map[string]any) {
		delete(c["service"].(map[string]any), "port")
		if edit != nil {
			edit(c)
		}
	})
}

// runJob starts it; flags stand after --job.
func (m member) runJob(t *testing.T, flags []string, cmd ...string) member {
	t.Helper()
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: m.config["service"].(map[string]any)["name"].(string), Config: m.config,
		Args: append([]string{"run", "--job"}, flags...), CMD: cmd})
	return m
}

// A job ends with its command's own code, whatever it is, and with 128+n when
// signal n ended it; a limit, a stop and a mesh that fails have codes of their own.
func TestJobExitCodes(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	broken := func(c map[string]any) {
		c["envoy"] = map[string]any{"restart": map[string]any{"max": 0, "window": "60s"}}
	}
	for _, c := range []struct {
		name, shell string
		flags       []string
		edit        func(map[string]any)
		during      func(t *testing.T, m member) // once the command runs
		want        int
	}{
		{name: "one", shell: "exit 1", want: 1},
		{name: "last", shell: "exit 125", want: 125},
		{name: "killed", shell: "kill -KILL $$", want: 137},
		{name: "limit", shell: "exec sleep 60", flags: []string{"--max-run-time", "2s"}, want: 209},
		{name: "limit-kept", shell: "trap 'exit 0' TERM; sleep 60 & wait", flags: []string{"--max-run-time", "2s"}, want: 209},
		{name: "stopped", shell: "trap 'exit 9' TERM; sleep 60 & wait", during: func(t *testing.T, m member) { m.term(t) }, want: 9},
		{name: "envoy-gone", shell: "trap 'exit 0' TERM; sleep 60 & wait", edit: broken, want: 206,
			during: func(t *testing.T, m member) { m.kill(t, "envoy", 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := job(t, server, "job-"+c.name, c.edit).runJob(t, c.flags, "sh", "-c", c.shell)
			if c.during != nil {
				m.Await(t, soon, "up", "app", "ready", "")
				c.during(t, m)
			}
			s := m.ended(t, c.want)
			if s.Left != "verified" || len(s.Forced()) > 0 && c.name != "killed" {
				t.Errorf("left %s, killed %v", s.Left, s.Killed)
			}
			m.without(t, "", "", "step", "passing")
			m.without(t, "", "", "step", "drained")
		})
	}
}

// Nobody is ever sent to a job: a service that has it as an upstream finds no
// healthy instance while it runs. With a port it takes traffic like any other.
func TestJobTraffic(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	quiet := job(t, server, "quiet", nil).runJob(t, nil, "sleep", "60")
	listening := prepare(t, server, "listening", "listening", nil)
	listening = listening.runJob(t, nil, harness.App(t), "--name", "listening", "--listen", listening.address+":8080")
	caller := startTask(t, server, "caller", "caller", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "quiet", "localBindPort": 9191},
			map[string]any{"destinationName": "listening", "localBindPort": 9192}}}
	})
	caller.up(t)
	quiet.Mark(t, soon, "up", "T2")
	server.Passing(t, soon, "listening", 1)
	answers(t, "http://"+caller.address+":9192/", 200, "hello from listening")
	status(t, server, "quiet", api.HealthCritical)
	if code, text, err := fetch(t.Context(), "http://"+caller.address+":9191/"); err != nil || code != http.StatusServiceUnavailable {
		t.Errorf("a call to the job: %d %q, %v", code, text, err)
	}
	for _, m := range []member{quiet, listening, caller} {
		m.term(t)
	}
	quiet.ended(t, 128+int(syscall.SIGTERM))
	listening.ended(t, 0)
	caller.ended(t, 0)
	server.Empty(t, soon)
}
