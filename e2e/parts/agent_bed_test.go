package parts

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/consulagent"
	"meshtask/e2e/harness"
	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/statedir"
	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// agentBed is a real server, and what starts real client agents as meshtask does.
type agentBed struct {
	t      *testing.T
	server *harness.Server
	sup    *supervisor.Supervisor
}

func newAgentBed(t *testing.T, cfg harness.ServerConfig) *agentBed {
	t.Helper()
	b := &agentBed{t: t, server: harness.StartServer(t, cfg)}
	// After the harness's children, so that its reaper has gone when they end.
	chld := make(chan os.Signal, 16)
	signal.Notify(chld, syscall.SIGCHLD)
	var err error
	if b.sup, err = supervisor.New(chld, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.sup.Close(); signal.Stop(chld) })
	return b
}

// oneAgent is a client agent of the bed: a unit, and what it has told.
type oneAgent struct {
	bed     *agentBed
	dir     string
	address string
	cfg     consulagent.Config
	doc     consulagent.AgentConfig
	client  *consulagent.Client
	runner  supervisor.Runner

	ctx    context.Context
	kill   context.CancelFunc
	ready  chan struct{}
	stop   chan struct{}
	done   chan struct{}
	err    error
	begun  time.Time
	halted sync.Once

	mu    sync.Mutex
	notes []string
	pid   int
	lines []string
	why   []string // what it has waited for
}

// agent prepares a task's agent with service web and its sidecar; alter its fields, then run.
func (b *agentBed) agent(task string) *oneAgent {
	b.t.Helper()
	a := &oneAgent{bed: b, dir: b.t.TempDir(), address: harness.Address(b.t),
		ready: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{})}
	a.doc = consulagent.AgentConfig{
		NodeName: "ecs-" + task, Datacenter: "dc1", DataDir: filepath.Join(a.dir, "consul"),
		BindAddress: a.address, ClientAddress: a.address, RetryJoin: []string{b.server.Address},
		Ports: consulagent.Ports{HTTP: 8500, GRPC: 8502, SerfLAN: 8301}, LogLevel: "warn",
	}
	a.cfg = consulagent.Config{
		Path: harness.Consul(b.t), Agent: func() (consulagent.AgentConfig, error) { return a.doc, nil },
		File: filepath.Join(a.dir, "consul.json"), Write: writer(a.dir), Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir},
		Start: b.sup, Report: a.report,
		Output: func(_ int, _ hclog.Level, line string) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.lines = append(a.lines, line)
		},
	}
	a.client = consulagent.NewClient(consulagent.ClientConfig{Address: a.address + ":8500", Node: a.doc.NodeName,
		Registration: registration.Registration{TaskID: task, TaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/c/" + task,
			Name: "web", Port: 8080, Containers: []string{"app"},
			Proxy: registration.Proxy{ListenerAddress: a.address, LocalServiceAddress: a.address}}})
	b.t.Cleanup(a.client.Close)
	return a
}

// writer writes files as a task's state directory does.
func writer(dir string) func(name string, data []byte) error {
	return func(name string, data []byte) error {
		d, err := statedir.Shared(dir)
		if err != nil {
			return err
		}
		return errors.Join(d.Write(name, data), d.Close())
	}
}

// inherit makes a the next life of the same task.
func (a *oneAgent) inherit(before *oneAgent) {
	a.address, a.doc = before.address, before.doc
	a.client = before.client
}

func (a *oneAgent) report(e event.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e := e.(type) {
	case event.Waiting:
		a.why = append(a.why, e.What+": "+e.Err)
		return
	case event.WaitOver:
		return
	case event.Exec:
		a.pid = e.PID
	}
	a.notes = append(a.notes, said(e))
}

// said is an event in words, without the marks of its JSON.
func said(e event.Event) string {
	name, detail, data := event.Words(e)
	return strings.TrimSpace(name + " " + detail + " " + strings.NewReplacer("{", "", "}", "", `"`, "", ":", " ", ",", " ").Replace(string(data)))
}

// run starts the unit, under a restart policy if there is one.
func (a *oneAgent) run(policy supervisor.Policy) *oneAgent {
	a.bed.t.Helper()
	return a.runUnit(consulagent.New(a.cfg), policy)
}

// runUnit is run with a unit that the test made of a.cfg.
func (a *oneAgent) runUnit(unit *consulagent.Agent, policy supervisor.Policy) *oneAgent {
	a.bed.t.Helper()
	a.runner = supervisor.Restart("consul-agent", unit, policy, a.report)
	a.ctx, a.kill = context.WithCancel(context.Background())
	a.begun = time.Now()
	go func() {
		defer close(a.done)
		a.err = a.runner.Run(a.ctx, func() { close(a.ready) }, a.stop)
	}()
	a.bed.t.Cleanup(func() {
		a.kill()
		<-a.done
		if a.bed.t.Failed() {
			a.bed.t.Logf("%s: %v\nnotes: %s\nwaited: %s\nlines: %s", a.doc.NodeName, a.err,
				strings.Join(a.notes, "; "), strings.Join(a.why, "\n  "), strings.Join(a.lines, "\n  "))
		}
	})
	return a
}

// up waits until the unit is ready, and returns how long that took.
func (a *oneAgent) up() time.Duration {
	a.bed.t.Helper()
	select {
	case <-a.ready:
	case <-a.done:
		a.bed.t.Fatalf("%s has ended before it was ready: %v", a.doc.NodeName, a.err)
	case <-time.After(time.Minute): // a bound for a failure
		a.bed.t.Fatalf("%s is not ready", a.doc.NodeName)
	}
	return time.Since(a.begun)
}

// leave stops the unit and returns the result of the leave, and how long it took.
func (a *oneAgent) leave() (result string, took time.Duration) {
	a.bed.t.Helper()
	begun := time.Now()
	a.halted.Do(func() { close(a.stop) })
	eventually.Get(a.bed.t, "the end of "+a.doc.NodeName, a.done)
	return a.left(), time.Since(begun)
}

// left is the result of the leave, as noted.
func (a *oneAgent) left() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.notes {
		if rest, ok := strings.CutPrefix(n, "step left result "); ok {
			word, _, _ := strings.Cut(rest, " ")
			return word
		}
	}
	return ""
}

func (a *oneAgent) signal(sig syscall.Signal) {
	a.bed.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := syscall.Kill(a.pid, sig); err != nil {
		a.bed.t.Fatal(err)
	}
}

// statuses are those of the node's checks at the servers.
func (a *oneAgent) statuses() map[string]string {
	a.bed.t.Helper()
	checks, _, err := a.bed.server.API.Health().Node(a.doc.NodeName, nil)
	if err != nil {
		a.bed.t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range checks {
		out[c.CheckID] = c.Status
	}
	return out
}

// services are the IDs that the servers list on the node.
func (a *oneAgent) services() map[string]bool {
	a.bed.t.Helper()
	list, _, err := a.bed.server.API.Catalog().NodeServiceList(a.doc.NodeName, nil)
	if err != nil {
		a.bed.t.Fatal(err)
	}
	out := map[string]bool{}
	if list != nil {
		for _, s := range list.Services {
			out[s.ID] = true
		}
	}
	return out
}

var errNotYet = errors.New("not yet")
