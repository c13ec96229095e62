package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// The machine may be busy with other tests: limits bound failures only.
const soon = 90 * time.Second

// member is one task of a mesh under test.
type member struct {
	*harness.Task
	address string
	config  map[string]any
}

// prepare makes the config of a task on an address of its own; edit may change it.
func prepare(t testing.TB, server *harness.Server, name, service string, edit func(config map[string]any)) member {
	t.Helper()
	m := member{address: harness.Address(t)}
	m.config = harness.TaskDocument(m.address, name, service, 8080, server)
	if edit != nil {
		edit(m.config)
	}
	return m
}

// start runs the prepared task with the small app; more are flags of the app.
func (m member) start(t testing.TB, more ...string) member {
	t.Helper()
	id := m.config["task"].(map[string]any)["id"].(string)
	cmd := append([]string{harness.App(t), "--name", id, "--listen", m.address + ":8080"}, more...)
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: id, Config: m.config, CMD: cmd})
	return m
}

func startTask(t testing.TB, server *harness.Server, name, service string, edit func(map[string]any), app ...string) member {
	t.Helper()
	return prepare(t, server, name, service, edit).start(t, app...)
}

// up waits until the task's way up is complete.
func (m member) up(t testing.TB) {
	t.Helper()
	m.Mark(t, soon, "up", "T2")
	m.Await(t, soon, "up", "", "step", "passing")
}

func (m member) term(t testing.TB) {
	t.Helper()
	if err := m.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// gone checks what every end of a task owes: no process, and no race that the
// detector found.
func (m member) gone(t *testing.T) {
	t.Helper()
	if left := harness.Processes(m.Dir, m.address+":8080"); len(left) > 0 {
		t.Errorf("processes of the task live on:\n%s", strings.Join(left, "\n"))
	}
	if out := m.Output(); strings.Contains(out, "WARNING: DATA RACE") {
		t.Errorf("the race detector spoke:\n%s", out)
	}
}

// ended waits for the end and checks the exit code.
func (m member) ended(t *testing.T, code int) harness.Summary {
	t.Helper()
	if got := m.Wait(t, soon); got != code {
		t.Errorf("exit code %d, want %d:\n%s", got, code, m.Tail(30))
	}
	m.gone(t)
	s := m.Summary(t)
	if s.Exit != code {
		t.Errorf("the summary says exit %d, the process said %d", s.Exit, code)
	}
	return s
}

// without checks that the timeline has no such entry.
func (m member) without(t *testing.T, way, unit, event, detail string) {
	t.Helper()
	entries, err := m.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := harness.Find(entries, way, unit, event, detail); ok {
		t.Errorf("the timeline has %+v", e)
	}
}

// inOrder checks that the timeline has these entries, and in this order.
func (m member) inOrder(t *testing.T, way string, points ...[3]string) {
	t.Helper()
	entries, err := m.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	last, lastName := -1.0, ""
	for _, p := range points {
		e, ok := harness.Find(entries, way, p[0], p[1], p[2])
		if !ok {
			t.Errorf("%s: no entry %v", way, p)
			continue
		}
		if e.Ms < last {
			t.Errorf("%s: %v at %.1f ms came before %s at %.1f ms", way, p, e.Ms, lastName, last)
		}
		last, lastName = e.Ms, fmt.Sprint(p)
	}
}

// pids lists the process of each life of a unit's child so far, oldest first.
func (m member) pids(t testing.TB, unit string) []int {
	t.Helper()
	entries, err := m.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, e := range entries {
		if pid, ok := e.Data["pid"].(float64); ok && e.Unit == unit && e.Event == "step" && e.Detail == "exec" {
			out = append(out, int(pid))
		}
	}
	return out
}

// pid waits until a unit's child has been started n times and returns the latest.
func (m member) pid(t testing.TB, unit string, n int) int {
	t.Helper()
	var got []int
	harness.Eventually(t, soon, fmt.Sprintf("life %d of %s", n, unit), func() error {
		if got = m.pids(t, unit); len(got) < n {
			return fmt.Errorf("%d so far", len(got))
		}
		return nil
	})
	if len(got) > n {
		t.Fatalf("%s has had %d lives, want %d", unit, len(got), n)
	}
	return got[n-1]
}

// kill sends SIGKILL to a child of the task, never to another process.
func (m member) kill(t *testing.T, unit string, life int) {
	t.Helper()
	if err := syscall.Kill(m.pid(t, unit, life), syscall.SIGKILL); err != nil {
		t.Fatalf("kill %s: %v", unit, err)
	}
}

// unlisted waits until no node of the task is in the catalog.
func (m member) unlisted(t *testing.T, server *harness.Server) {
	t.Helper()
	node := "ecs-" + m.config["task"].(map[string]any)["id"].(string)
	harness.Eventually(t, soon, "no "+node+" in the catalog", func() error {
		nodes, err := server.Nodes()
		if err != nil {
			return err
		}
		if slices.Contains(nodes, node) {
			return fmt.Errorf("it is listed")
		}
		return nil
	})
}

// says waits for a line of the task or its app.
func (m member) says(t *testing.T, what string) {
	t.Helper()
	harness.Eventually(t, soon, m.Name+" says "+what, func() error {
		if !strings.Contains(m.Output(), what) {
			return fmt.Errorf("its last line is %s", m.Tail(1))
		}
		return nil
	})
}

// status waits until the only instance of service has this state in all.
func status(t *testing.T, server *harness.Server, service, want string) {
	t.Helper()
	harness.Eventually(t, soon, service+" is "+want, func() error {
		entries, err := server.Instances(service)
		if err != nil {
			return err
		}
		if len(entries) != 1 {
			return fmt.Errorf("%d instances", len(entries))
		}
		if got := entries[0].Checks.AggregatedStatus(); got != want {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

// fetch makes one request on a connection of its own.
func fetch(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	answer, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	return answer.StatusCode, strings.TrimSpace(string(text)), err
}

// answers waits for a status and body from url.
func answers(t *testing.T, url string, status int, body string) {
	t.Helper()
	harness.Eventually(t, soon, fmt.Sprintf("%s answers %d %q", url, status, body), func() error {
		got, text, err := fetch(t.Context(), url)
		if err != nil {
			return err
		}
		if got != status || !strings.Contains(text, body) {
			return fmt.Errorf("%d %q", got, text)
		}
		return nil
	})
}
