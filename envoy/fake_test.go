package envoy

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/envoyfake"
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
		os.Exit(envoyfake.Main(play))
	}
	os.Exit(m.Run())
}

// serve puts the fake on a socket of its own; stop takes it away.
func serve(t *testing.T, f *envoyfake.Envoy) (socket string, stop func()) {
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
