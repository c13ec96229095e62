package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A process of the task that is none of ours talks to the mesh container's port: with a
// name of its own, with that of the app, and with one that holds no lease. The service
// stays passing, and the app's lease is the app's.
func TestSiblingsStranger(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	p := preparePair(t, server, "pair")
	p.mesh(t)
	app := p.app(t, "app", p.serving(t, "9")...)
	p.endpoint.Set("log_router", "", nil)
	p.up(t)
	server.Passing(t, soon, "pair", 1)
	for _, try := range []struct{ name, more, want string }{
		{"evil", "", "refused"},
		{"evil", `{"say":"ended","code":0}`, "refused"},
		{"app", "", "refused"},
		{"mesh", "", "refused"},
		{"log_router", `{"say":"ended","code":0}`, "up"},
		{"log_router", "", "up"}, // and is lost
	} {
		if got := stranger(t, p.address+":9902", try.name, try.more); got != try.want {
			t.Errorf("as %s: the answer is %s, want %s", try.name, got, try.want)
		}
	}
	harness.Eventually(t, soon, "lease of log_router is lost", func() error { return p.said("lease-lost", "log_router") })
	if out, err := exec.Command(harness.Meshtask(t), "health", "--dir", p.Dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "the lease of container log_router is lost") {
		t.Errorf("health: %v: %s", err, out)
	}
	harness.Eventually(t, time.Minute, "a healthy task again", func() error {
		out, err := exec.Command(harness.Meshtask(t), "health", "--dir", p.Dir).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if err := p.said("lease-forgotten", "log_router"); err != nil {
		t.Error(err)
	}
	resp, err := http.Get("http://" + p.address + ":9902/status")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		t.Error("/status is served over TCP")
	}
	entries, err := p.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := harness.Find(entries, "up", "health-sync", "step", "critical"); ok {
		t.Errorf("the checks were critical: %+v", e)
	}
	p.stop(t, app)
	p.wholeStop(t, app, 9)
	server.Empty(t, soon)
}

// stranger asks for a lease in this name, says more, and goes; it returns what the
// mesh said first.
func stranger(t *testing.T, addr, name, more string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "GET /lease HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: meshtask-lease/1\r\n\r\n", addr)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %+v", err, resp)
	}
	fmt.Fprintf(c, "{\"say\":\"hello\",\"name\":%q}\n%s", name, more)
	if more != "" {
		fmt.Fprintln(c)
	}
	line, err := r.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Say string }
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return m.Say
}
