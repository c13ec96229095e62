package envoy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// The test binary, re-executed, plays Envoy (and consul) as FAKE says.
func TestMain(m *testing.M) {
	switch play := os.Getenv("FAKE"); {
	case strings.HasPrefix(play, "consul"):
		os.Exit(playConsul(play))
	case play == "holder":
		os.Exit(playHolder())
	case play != "":
		os.Exit(playEnvoy(play))
	}
	os.Exit(m.Run())
}

func playEnvoy(play string) int {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("\nenvoy  version: dc2d3098/1.34.1/Clean/RELEASE/BoringSSL")
		fmt.Println()
		return 0
	}
	fmt.Fprintln(os.Stderr, "[warning] main: hello from "+play)
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM)
	admin, quit := newFakeAdmin(), make(chan struct{}, 8)
	admin.quit = func() { quit <- struct{}{} }
	switch play {
	case "dies":
		fmt.Fprintln(os.Stderr, `[critical] main: error {"key":"x-consul-token","value":"s3cret"} initializing config`)
		fmt.Fprintln(os.Stderr, "[critical] main: s3cret as well")
		return 1
	case "never":
		admin.state = "PRE_INITIALIZING"
	case "old":
		admin.version = "1.20.2"
	case "new":
		admin.version = "1.99.0"
	}
	l, err := net.Listen("unix", bootstrapAdmin())
	if err != nil {
		fmt.Fprintln(os.Stderr, "[critical] main: "+err.Error())
		return 1
	}
	go http.Serve(l, admin)
	for {
		select {
		case <-term:
			fmt.Fprintln(os.Stderr, "[warning] main: caught SIGTERM")
			if play != "deaf" {
				return 0
			}
		case <-quit:
			if play == "polite" {
				return 0
			}
		case <-after(play == "leaves", 100*time.Millisecond):
			return 0
		}
	}
}

func after(yes bool, d time.Duration) <-chan time.Time {
	if !yes {
		return nil
	}
	return time.After(d)
}

// bootstrapAdmin reads the socket from the file after -c.
func bootstrapAdmin() string {
	var doc struct {
		Admin struct {
			Address struct{ Pipe struct{ Path string } }
		}
	}
	for i, word := range os.Args {
		if word == "-c" {
			text, _ := os.ReadFile(os.Args[i+1])
			_ = json.Unmarshal(text, &doc)
		}
	}
	return doc.Admin.Address.Pipe.Path
}

// fakeAdmin answers as the admin interface of Envoy 1.36.2 does.
type fakeAdmin struct {
	state, version string
	stats          func() string // the array of /stats
	drain          func(http.ResponseWriter)
	quit           func()
	polls, drains  atomic.Int32
}

func newFakeAdmin() *fakeAdmin {
	return &fakeAdmin{
		state: "LIVE", version: "1.35.3", quit: func() {},
		stats: func() string { return `[{"name":"http.public_listener.downstream_rq_active","value":0}]` },
		drain: func(w http.ResponseWriter) { fmt.Fprintln(w, "OK") },
	}
}

func (f *fakeAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	post := map[string]bool{"/drain_listeners": true, "/quitquitquit": true}
	if post[r.URL.Path] != (r.Method == http.MethodPost) {
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/ready":
		if f.state != "LIVE" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, f.state)
	case "/server_info":
		fmt.Fprintf(w, `{"version":"dc2d/%s/Clean/RELEASE/BoringSSL"}`, f.version)
	case "/listeners":
		fmt.Fprint(w, `{"listener_statuses":[{"name":"public_listener:127.0.0.1:1","local_address":{"socket_address":{"address":"127.0.0.1","port_value":1}}}]}`)
	case "/stats":
		f.polls.Add(1)
		fmt.Fprintf(w, `{"stats":%s}`, f.stats())
	case "/drain_listeners":
		f.drains.Add(1)
		if q := r.URL.RawQuery; q != "inboundonly&graceful&skip_exit" {
			http.Error(w, "query "+q, http.StatusBadRequest)
			return
		}
		f.drain(w)
	case "/quitquitquit":
		f.quit()
		fmt.Fprintln(w, "OK")
	default:
		http.NotFound(w, r)
	}
}

// serve puts the fake on a socket of its own; stop takes it away.
func (f *fakeAdmin) serve(t *testing.T) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(shortDir(t), "a.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: f}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return socket, func() { server.Close() }
}

// shortDir is a directory whose path leaves room for a socket's name: t.TempDir
// grows with the name of the test.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "envoy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newSupervisor(t *testing.T) *supervisor.Supervisor {
	t.Helper()
	chld := make(chan os.Signal, 16)
	signal.Notify(chld, syscall.SIGCHLD)
	s, err := supervisor.New(chld, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); signal.Stop(chld) })
	return s
}

const patience = eventually.Patience

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// freeze stops a process and returns when its last thread has stopped: until then
// it may still answer.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, fmt.Sprintf("every thread of %d stops", pid), func() bool {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, stat := range stats {
			if text, err := os.ReadFile(stat); err == nil && !bytes.Contains(text, []byte(") T ")) {
				return false
			}
		}
		return len(stats) > 0
	})
}
