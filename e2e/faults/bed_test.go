package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// The machine may be busy: limits bound failures only.
const (
	soon   = 90 * time.Second
	looked = 2 * time.Minute // what nobody reports is looked at every ten seconds, or thirty
)

// bed is one life of a task with a fault.
type bed struct {
	*harness.Task
	t       *testing.T
	server  *harness.Server
	address string
	format  string // of the log
	config  map[string]any
	env     []string
	dir     string // of the test's own files
	binds   []string
	names   map[string]string // what stands for what is another one in each run
	args    []string          // of a row that needs the bed for them
	made    string            // the accessor of a token that was made
	cgroup  string            // the kernel's files, when the test plays them

	endpoint *harness.Endpoint // nil: the task has none
}

// answer is what `meshtask why --json` says.
type answer struct {
	State, Code, Cause, Said, Fix, Unit, Note string
	Exit                                      *int
	Checked                                   []string
}

// condition is one of `meshtask status --json`.
type condition struct {
	Name, Code, Reason string
	OK                 bool
}

// status is what a live task says.
type status struct {
	State      string
	Why        answer
	Conditions []condition
}

func newBed(t *testing.T, server *harness.Server, format string) *bed {
	b := &bed{t: t, server: server, address: harness.Address(t), format: format, dir: t.TempDir(), names: map[string]string{}}
	id := fmt.Sprintf("%06x", rand.IntN(1<<24)) // a node has a name that no other has
	b.names[id] = "4f2a9c"
	b.config = harness.TaskDocument(b.address, id, "web", 8080, server)
	b.set("log.format", format)
	b.names[b.address], b.names[server.Address] = "10.0.1.20", "10.0.3.7"
	return b
}

// set puts a value into the configuration, at a path such as "shutdown.stopTimeout".
func (b *bed) set(path string, value any) {
	at, keys := b.config, strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at[keys[len(keys)-1]] = value
}

// another is an address on which nobody listens.
func (b *bed) another() string {
	address := harness.Address(b.t)
	b.names[address] = "10.0.3.99"
	return address
}

// taken holds a port of the task's own address until the test ends.
func (b *bed) taken(port int) {
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", b.address, port))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { l.Close() })
	b.names[fmt.Sprintf("(%s)", filepath.Base(os.Args[0]))] = "(nginx)"
}

// file writes a file of the test's and returns its path.
func (b *bed) file(name, text string, mode os.FileMode) string {
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// app is the small app where the readiness probe looks for it.
func (b *bed) app(more ...string) []string {
	return append([]string{harness.App(b.t), "--name", "web", "--listen", b.address + ":8080"}, more...)
}

// upstream adds an upstream.
func (b *bed) upstream(name string) {
	b.set("proxy.upstreams", []any{map[string]any{"destinationName": name, "localBindPort": 9191}})
}

// start runs the task.
func (b *bed) start(args, cmd []string) {
	b.t.Helper()
	cfg := harness.TaskConfig{Name: "web", Binary: harness.Plain(b.t), Config: b.config, Args: args, CMD: cmd, Env: b.env}
	if len(b.binds) == 0 {
		b.Task = harness.StartTask(b.t, cfg)
		return
	}
	if why := harness.Boxes(b.t); why != "" {
		b.t.Fatalf("this machine makes no namespaces: %s", why)
	}
	state := filepath.Join(b.dir, "state")
	argv := append([]string{cfg.Binary, "run", "--config", harness.WriteConfig(b.t, b.config), "--dir", state, "--"}, cmd...)
	path := filepath.Dir(harness.Consul(b.t)) + ":" + filepath.Dir(harness.Envoy(b.t)) + ":" + os.Getenv("PATH")
	b.Task = &harness.Task{Dir: state, Process: harness.StartBox(b.t, "web", harness.Box{Binds: b.binds}, argv, append(b.env, "PATH="+path))}
}

// up waits until the way up is complete.
func (b *bed) up() {
	b.t.Helper()
	b.Mark(b.t, soon, "up", "T2")
	b.Await(b.t, soon, "up", "", "step", "passing")
}

// pid waits for the n-th process of a unit.
func (b *bed) pid(unit string, n int) (pid int) {
	b.t.Helper()
	harness.Eventually(b.t, soon, fmt.Sprintf("life %d of %s", n, unit), func() error {
		entries, err := b.Timeline()
		if err != nil {
			return err
		}
		seen := 0
		for _, e := range entries {
			if id, ok := e.Data["pid"].(float64); ok && e.Unit == unit && e.Event == "step" && e.Detail == "exec" {
				if seen++; seen == n {
					pid = int(id)
					return nil
				}
			}
		}
		return fmt.Errorf("%d so far", seen)
	})
	return pid
}

// signal sends a signal to a process of the task.
func (b *bed) signal(pid int, sig syscall.Signal) {
	b.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		b.t.Fatal(err)
	}
}

// status asks the live task at its socket.
func (b *bed) status() (s status, err error) {
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(b.Dir, "admin.sock"))
	}}}
	resp, err := client.Get("http://meshtask/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// live waits until the task says this code of itself, and these conditions do not hold.
func (b *bed) live(code string, not []string) (s status) {
	b.t.Helper()
	harness.Eventually(b.t, looked, "the live task says "+code, func() (err error) {
		if s, err = b.status(); err != nil {
			return err
		}
		if s.Why.Code != code {
			return fmt.Errorf("it says %s: %s\nconditions %+v", s.Why.Code, s.Why.Cause, failing(s.Conditions))
		}
		names := map[string]bool{}
		for _, c := range failing(s.Conditions) {
			names[c.Name] = true
		}
		for _, name := range not {
			if !names[name] {
				return fmt.Errorf("%s holds; what does not is %v", name, slices.Sorted(maps.Keys(names)))
			}
		}
		return nil
	})
	return s
}

func failing(all []condition) []condition {
	return slices.DeleteFunc(slices.Clone(all), func(c condition) bool { return c.OK })
}

// ask runs `meshtask why`; given is its standard input.
func (b *bed) ask(given string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command(harness.Plain(b.t), append([]string{"why"}, args...)...)
	cmd.Stdin = strings.NewReader(given)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Errorf("why %v: %v: %s", args, err, out)
	}
	return string(out)
}

// said is the answer in a JSON text.
func (b *bed) said(text string) (a answer) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		b.t.Errorf("%v in %s", err, text)
	}
	return a
}

// gone waits until nothing of the task lives on: where meshtask was killed, the kernel's KILL to the
// others is on its way.
func (b *bed) gone() {
	b.t.Helper()
	harness.Eventually(b.t, soon, "no process of the task", func() error {
		if left := harness.Processes(b.Dir, b.address+":8080"); len(left) > 0 {
			return errors.New(strings.Join(left, "\n"))
		}
		return nil
	})
}

// read is a file, "" where there is none.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}
