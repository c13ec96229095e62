package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// pair is a task whose app has a container of its own: PID namespaces apart, one
// network. Where the machine makes no namespaces its containers are plain
// processes, and the test says so.
type pair struct {
	member
	server   *harness.Server
	endpoint *harness.Endpoint // as the mesh container sees the task
	boxed    bool
}

func preparePair(t *testing.T, server *harness.Server, name string) *pair {
	t.Helper()
	p := &pair{server: server, boxed: true}
	p.member = prepare(t, server, name, name, func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "15s", "drain": map[string]any{"propagationWait": "100ms"}}
	})
	p.endpoint = harness.StartEndpoint(t, name, name, p.address, "mesh")
	if why := harness.Boxes(t); why != "" && os.Getenv("CI") != "" {
		t.Fatalf("this machine makes no namespaces: %s", why)
	} else if why != "" {
		t.Logf("containers are plain processes: this machine makes no namespaces (%s)", why)
		p.boxed = false
	}
	return p
}

// contain starts one container of the task with this line.
func (p *pair) contain(t *testing.T, name, dir string, argv, env []string) *harness.Task {
	t.Helper()
	path := filepath.Dir(harness.Consul(t)) + ":" + filepath.Dir(harness.Envoy(t)) + ":" + os.Getenv("PATH")
	env = append(env, "PATH="+path, "GORACE=atexit_sleep_ms=0 halt_on_error=0 exitcode=66")
	if p.boxed {
		return &harness.Task{Dir: dir, Process: harness.StartBox(t, name, harness.Box{}, argv, env)}
	}
	return &harness.Task{Dir: dir, Process: harness.Start(t, name, argv, env)}
}

// mesh starts the mesh container, again on the same files when it has run before.
func (p *pair) mesh(t *testing.T) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mesh")
	if p.Task != nil {
		dir = p.Dir
		if err := os.Remove(filepath.Join(dir, "timeline.jsonl")); err != nil { // it would be taken for the next one's
			t.Fatal(err)
		}
	}
	p.Task = p.contain(t, "mesh", dir, []string{harness.Meshtask(t), "run", "--config", harness.WriteConfig(t, p.config), "--dir", dir},
		[]string{"ECS_CONTAINER_METADATA_URI_V4=" + p.endpoint.URI})
}

// app starts an app container behind the wrapper, and lists it as ECS would.
func (p *pair) app(t *testing.T, name string, cmd ...string) *harness.Task {
	t.Helper()
	p.endpoint.Set(name, "", nil)
	own := harness.StartEndpoint(t, name, name, p.address, name)
	dir := filepath.Join(t.TempDir(), name)
	return p.contain(t, name, dir, append([]string{harness.Sibling(t), "app", "--mesh", p.address + ":9902", "--dir", dir, "--stop-timeout", "15s", "--"}, cmd...),
		[]string{"ECS_CONTAINER_METADATA_URI_V4=" + own.URI})
}

// serving is a command that serves on the task's port and ends with code after a TERM.
func (p *pair) serving(t *testing.T, code string, more ...string) []string {
	t.Helper()
	app := append([]string{harness.App(t), "--name", "app", "--listen", p.address + ":8080"}, more...)
	return append([]string{"sh", "-c", `trap : TERM; "$@"; exit ` + code, "sh"}, app...)
}

// leased waits until an app container holds a lease at the mesh container of now.
func (p *pair) leased(t *testing.T, name string) {
	t.Helper()
	harness.Eventually(t, soon, "lease of "+name, func() error { return p.said("lease", name) })
}

// stop TERMs all containers at once, as ECS does.
func (p *pair) stop(t *testing.T, apps ...*harness.Task) {
	t.Helper()
	for _, c := range slices.Concat(apps, []*harness.Task{p.Task}) {
		if err := c.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
}

// at is when a container's timeline has an entry.
func at(t *testing.T, k *harness.Task, way, unit, event, detail string) time.Time {
	t.Helper()
	entries, err := k.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	e, ok := harness.Find(entries, way, unit, event, detail)
	if !ok {
		t.Fatalf("%s: no entry %s %s %s %s:\n%s", k.Name, way, unit, event, detail, k.Tail(20))
	}
	return e.At
}

// ascending checks that points in time of several containers are in order.
func ascending(t *testing.T, names []string, times ...time.Time) {
	t.Helper()
	for i := 1; i < len(times); i++ {
		if times[i].Before(times[i-1]) {
			t.Errorf("%s came %v before %s", names[i], times[i-1].Sub(times[i]), names[i-1])
		}
	}
}

// said tells whether the mesh container has noted this step of that app.
func (p *pair) said(detail, name string) error {
	entries, err := p.Timeline()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Detail == detail && e.Data["name"] == name {
			return nil
		}
	}
	return fmt.Errorf("the mesh has not noted %s of %s", detail, name)
}

// code is what an app has handed over at its end.
func (p *pair) code(t *testing.T, name string) int {
	t.Helper()
	entries, err := p.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if code, ok := e.Data["code"].(float64); ok && e.Detail == "lease-ended" && e.Data["name"] == name {
			return int(code)
		}
	}
	t.Fatalf("%s has handed over no code:\n%s", name, p.Tail(20))
	return 0
}

// inFlight waits until the mesh's Envoy has n requests under way to the app.
func (p *pair) inFlight(t *testing.T, n int) {
	t.Helper()
	const gauge = "http.public_listener.downstream_rq_active"
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(p.Dir, "envoy-admin.sock"))
	}}
	defer transport.CloseIdleConnections()
	harness.Eventually(t, soon, "requests in flight", func() error {
		resp, err := (&http.Client{Transport: transport, Timeout: time.Second}).Get("http://envoy/stats?filter=" + gauge)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && strings.TrimSpace(string(text)) != fmt.Sprintf("%s: %d", gauge, n) {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
}

// nodeID is what the agent's data folder keeps.
func (p *pair) nodeID(t *testing.T) string {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(p.Dir, "consul", "node-id"))
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}
