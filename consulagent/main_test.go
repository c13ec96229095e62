package consulagent

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/faulty"
	"meshtask/supervisor"
)

// The test binary, re-executed, plays the agent as FAKE says; its API is the test's.
func TestMain(m *testing.M) {
	if script := os.Getenv("FAKE"); script != "" {
		os.Exit(consulfake.Main(script))
	}
	os.Exit(m.Run())
}

// servers are the agent's HTTP API and the servers behind it.
type servers struct {
	*consulfake.Consul
	*httptest.Server
}

func newServers(t *testing.T) *servers {
	c := consulfake.New("ecs-1")
	c.With(func(s *consulfake.State) {
		s.Tokens = map[string]string{"secret": "of-secret", "other": "of-other", "agent-secret": "of-agent", "service-secret": "of-service"}
	})
	f := &servers{c, httptest.NewServer(c)}
	t.Cleanup(f.Close)
	return f
}

var (
	unknownToken = faulty.Answer(http.StatusForbidden, "ACL not found")
	forbidden    = faulty.Answer(http.StatusForbidden, "Permission denied: token with AccessorID 'x' lacks permission 'service:write'")
	noLeader     = faulty.Answer(http.StatusInternalServerError, "No cluster leader")
)

// acted is one run of an Agent over a fake process and fake servers.
type acted struct {
	servers *servers
	cfg     *Config
	doc     AgentConfig
	file    string

	mu    sync.Mutex
	notes []string
	terms int
	why   []string
}

// act prepares a run; gone is what a leave that has begun does to the servers.
func act(t *testing.T, script string, gone func(*servers)) *acted {
	t.Helper()
	chld := make(chan os.Signal, 16)
	signal.Notify(chld, syscall.SIGCHLD)
	sup, err := supervisor.New(chld, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sup.Close(); signal.Stop(chld) })
	dir := t.TempDir()
	a := &acted{servers: newServers(t), file: filepath.Join(dir, "consul.json")}
	host, port, _ := net.SplitHostPort(a.servers.Listener.Addr().String())
	number, _ := strconv.Atoi(port)
	a.doc = AgentConfig{NodeName: "ecs-1", DataDir: filepath.Join(dir, "consul"), ClientAddress: host,
		Ports: Ports{HTTP: number}, RetryJoin: []string{"10.0.0.1"}, LogLevel: "info", ACLs: true, AgentToken: "agent-secret"}
	a.cfg = &Config{Path: "/proc/self/exe", File: a.file, Start: sup,
		Write:       func(name string, data []byte) error { return os.WriteFile(filepath.Join(dir, name), data, 0o600) },
		Agent:       func() (AgentConfig, error) { return a.doc, nil },
		Env:         []string{"FAKE=" + script, "GORACE=atexit_sleep_ms=0"},
		Token:       func() string { return "service-secret" },
		LeaveAtOnce: true, // as old as its first full sync: see TestLeaveOfAYoungAgent
		Report: func(e event.Event) {
			a.mu.Lock()
			defer a.mu.Unlock()
			switch e := e.(type) {
			case event.Waiting:
				a.why = append(a.why, e.What+": "+e.Err)
			case event.WaitOver:
			default:
				a.notes = append(a.notes, words(e))
			}
		},
		Output: func(_ int, _ hclog.Level, line string) {
			switch {
			case strings.Contains(line, "Caught"):
				a.mu.Lock()
				a.terms++
				a.mu.Unlock()
			case strings.Contains(line, "Gracefully") && gone != nil:
				gone(a.servers)
			}
		},
	}
	return a
}

// words are an event's, without the marks of its JSON.
func words(e event.Event) string {
	name, detail, data := event.Words(e)
	return strings.TrimSpace(name + " " + detail + " " + strings.NewReplacer("{", "", "}", "", `"`, "", ":", " ", ",", " ").Replace(string(data)))
}

// told says whether a note begins with prefix.
func (a *acted) told(prefix string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.notes {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

const patience = eventually.Patience

// run runs the unit, a new one; stop ends it and returns its error and how long that took.
func (a *acted) run(t *testing.T) (ready <-chan struct{}, stop func() (time.Duration, error)) {
	return a.live(t, New(*a.cfg))
}

func (a *acted) live(t *testing.T, unit *Agent) (ready <-chan struct{}, stop func() (time.Duration, error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	up, asked, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { done <- unit.Run(ctx, func() { close(up) }, asked) }()
	ended := false
	t.Cleanup(func() {
		cancel()
		if !ended {
			<-done
		}
	})
	return up, func() (time.Duration, error) {
		begun := time.Now()
		close(asked)
		err := eventually.Get(t, "the agent's end", done)
		ended = true
		return time.Since(begun), err
	}
}
