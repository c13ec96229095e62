package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"meshtask/e2e/harness"
)

// logs waits for a word in the task's log.
func (b *bed) logs(word string) {
	b.t.Helper()
	harness.Eventually(b.t, soon, "the log says "+word, func() error {
		if !strings.Contains(b.Output(), word) {
			return fmt.Errorf("its last line is %s", b.Tail(1))
		}
		return nil
	})
}

// quoted is a command for a shell.
func quoted(argv []string) string { return "'" + strings.Join(argv, "' '") + "'" }

// memory gives the container a control group of this size, with so much of it used. The
// kernel's files are ours, so that the test needs no right to make groups.
func (b *bed) memory(limit, used int) {
	b.cgroup = filepath.Join(b.dir, "cgroup")
	for name, text := range map[string]string{
		"memory.max": fmt.Sprintln(limit), "memory.current": fmt.Sprintln(used), "memory.stat": "inactive_file 0\n", "memory.events": "oom_kill 0\n", "cgroup.controllers": "memory\n",
		"memory/memory.limit_in_bytes": fmt.Sprintln(limit), "memory/memory.usage_in_bytes": fmt.Sprintln(used), "memory/memory.stat": "total_inactive_file 0\n", "memory/memory.oom_control": "oom_kill 0\n",
	} {
		path := filepath.Join(b.cgroup, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	b.binds = []string{b.cgroup + ":/sys/fs/cgroup"}
}

// metadata gives the task a metadata endpoint.
func (b *bed) metadata() {
	b.endpoint = harness.StartEndpoint(b.t, "4f2a9c", "web", b.address, "web")
	b.env = append(b.env, "ECS_CONTAINER_METADATA_URI_V4="+b.endpoint.URI)
}

// siblings has the apps in containers of their own.
func (b *bed) siblings() { b.set("admin.listen", b.address+":9902") }

// sibling runs `meshtask app` in a container called name.
func (b *bed) sibling(name string, args ...string) *harness.Process {
	b.t.Helper()
	own := harness.StartEndpoint(b.t, name, name, b.address, name)
	argv := append([]string{harness.Plain(b.t), "app", "--mesh", b.address + ":9902", "--dir", filepath.Join(b.dir, name)}, args...)
	return harness.Start(b.t, name, argv, []string{"PATH=" + os.Getenv("PATH"), "ECS_CONTAINER_METADATA_URI_V4=" + own.URI})
}

// inFlight has one request on its way to the task, through the mesh, for the rest of its life.
func inFlight(b *bed) {
	b.t.Helper()
	address := harness.Address(b.t)
	doc := harness.TaskDocument(address, "caller", "caller", 0, b.server)
	doc["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "web", "localBindPort": 9191}}}
	caller := harness.StartTask(b.t, harness.TaskConfig{Name: "caller", Binary: harness.Plain(b.t), Config: doc, CMD: []string{"sleep", "600"}})
	caller.Mark(b.t, soon, "up", "T2")
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	b.t.Cleanup(func() { cancel(); <-over })
	go func() { // until the task cuts it
		defer close(over)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+":9191/slow?ms=600000", nil)
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	harness.Eventually(b.t, soon, "a request in flight", func() error {
		text, err := harness.Ask(b.t.Context(), http.DefaultClient, 1<<20, http.MethodGet, "http://"+b.address+":8080/inflight", nil)
		if err == nil && strings.TrimSpace(string(text)) != "1" {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
}
