package consulagent

import (
	"context"
	"encoding/json"
	"fmt"
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
	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// The test binary plays the agent: see TestMain.
const playKey = "CONSULAGENT_TEST_PLAY"

func TestMain(m *testing.M) {
	if play := os.Getenv(playKey); play != "" {
		os.Exit(fakeAgent(play))
	}
	os.Exit(m.Run())
}

func say(level, text string) {
	fmt.Printf("2026-11-24T21:37:00.123Z [%s]  agent: %s\n", level, text)
}

// fakeAgent plays what a script names, word by word: how it starts, and how many TERMs it
// needs to begin a leave. A TERM during the leave ends it with 1.
func fakeAgent(script string) int {
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM)
	swallow := 0
	for word := range strings.FieldsSeq(script) {
		switch word {
		case "running":
			say("INFO", "Consul agent running!")
		case "join":
			say("INFO", "Join cluster completed. Synced with initial agents: cluster=LAN num_agents=1")
		case "refused":
			say("WARN", "Join cluster failed, will retry: cluster=LAN retry_interval=1s")
			fmt.Println("  error=\n  | 1 error occurred:\n  | \t* Failed to join 10.0.0.1:8301: connection refused\n  ")
		case "crash":
			say("ERROR", "Error starting agent: error=\"address in use\"")
			return 3
		case "swallow":
			swallow++
		case "deaf":
			swallow = 1000
		case "dies": // at its first TERM, as between its two handlers
			signal.Reset(syscall.SIGTERM)
		}
	}
	for leaving := false; ; {
		<-term
		say("INFO", "Caught: signal=terminated")
		switch {
		case swallow > 0:
			swallow--
		case leaving:
			return 1
		default:
			leaving = true
			say("INFO", "Gracefully shutting down agent...")
		}
	}
}

// fakeServers is the agent's HTTP API and the servers behind it.
type fakeServers struct {
	*httptest.Server
	mu       sync.Mutex
	leader   string
	listed   bool           // the node is in the catalog
	filtered bool           // the token may not read it
	sticky   bool           // it comes back when it is removed
	fail     map[string]any // by path prefix: an int status, or a text for 500
	calls    []string
	tokens   map[string]string // by path, the last token seen
	bodies   map[string]string
}

func newServers(t *testing.T) *fakeServers {
	f := &fakeServers{leader: "10.0.0.1:8300", listed: true, fail: map[string]any{}, tokens: map[string]string{}, bodies: map[string]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeServers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := r.Method + " " + r.URL.Path
	f.calls = append(f.calls, line)
	f.tokens[line] = r.Header.Get("X-Consul-Token")
	body := make([]byte, 64<<10)
	n, _ := r.Body.Read(body)
	f.bodies[line] = string(body[:n])
	for prefix, answer := range f.fail {
		if !strings.HasPrefix(r.URL.Path, prefix) {
			continue
		}
		switch a := answer.(type) {
		case int:
			w.WriteHeader(a)
			if a == http.StatusOK {
				_, _ = w.Write([]byte("{}"))
			}
		case string:
			code := 500
			if rest, ok := strings.CutPrefix(a, "403 "); ok {
				code, a = 403, rest
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(a))
		case time.Duration:
			f.mu.Unlock()
			select {
			case <-time.After(a):
			case <-r.Context().Done():
			}
			f.mu.Lock()
		}
		return
	}
	var out any = map[string]any{}
	w.Header().Set("X-Consul-LastContact", "0") // as real ones do; without it the library reads no other
	switch {
	case r.URL.Path == "/v1/status/leader":
		out = f.leader
	case strings.HasPrefix(r.URL.Path, "/v1/catalog/node/"):
		out = nil
		if f.listed {
			out = map[string]any{"Node": map[string]any{"Node": "ecs-1"}}
		}
		if f.filtered {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
	case r.URL.Path == "/v1/acl/token/self":
		out = map[string]any{"AccessorID": "of-" + r.Header.Get("X-Consul-Token"), "SecretID": r.Header.Get("X-Consul-Token")}
	case r.URL.Path == "/v1/catalog/deregister":
		f.listed = f.sticky
	case strings.HasPrefix(r.URL.Path, "/v1/agent/service/web"):
		w.WriteHeader(404)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (f *fakeServers) set(change func()) { f.mu.Lock(); defer f.mu.Unlock(); change() }

func (f *fakeServers) count(line string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if strings.HasPrefix(c, line) {
			n++
		}
	}
	return n
}

// acted is one run of an Agent over a fake process and fake servers.
type acted struct {
	servers *fakeServers
	agent   *Agent
	cfg     *Config
	doc     AgentConfig
	file    string

	mu    sync.Mutex
	notes []string
	terms int
	why   []string
}

// act prepares a run; gone is what a leave that has begun does to the servers.
func act(t *testing.T, script string, gone func(*fakeServers)) *acted {
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
		Ports: Ports{HTTP: number}, LogLevel: "info", ACLs: true, AgentToken: "agent-secret"}
	a.cfg = &Config{Path: "/proc/self/exe", File: a.file, Start: sup,
		Write:       func(name string, data []byte) error { return os.WriteFile(filepath.Join(dir, name), data, 0o600) },
		Agent:       func() (AgentConfig, error) { return a.doc, nil },
		Env:         []string{playKey + "=" + script, "GORACE=atexit_sleep_ms=0"},
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

// run runs the unit; stop ends it and returns its error and how long that took.
func (a *acted) run(t *testing.T) (ready <-chan struct{}, stop func() (time.Duration, error)) {
	t.Helper()
	a.agent = New(*a.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	up, asked, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { done <- a.agent.Run(ctx, func() { close(up) }, asked) }()
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
		select {
		case err := <-done:
			ended = true
			return time.Since(begun), err
		case <-time.After(patience):
			t.Fatal("the agent has not ended")
			panic("unreachable")
		}
	}
}

func within(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
}
