package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

const (
	floorPairs  = 3
	floorBlocks = 3
	floorRatio  = 1.1 // DESIGN §4
	answerLimit = 1 << 20
)

// T0 to T2 costs no more than the same steps by hand allow: the same agent
// config, payload and bootstrap document, in the same minute, turn by turn. Noise
// of the machine can only hide that, so one quiet block of pairs is enough.
// The programs are the shipped ones: the race detector has no part in this.
func TestTaskFloor(t *testing.T) {
	server := harness.StartServer(t, harness.ServerConfig{})
	program := harness.Plain(t)
	var last string
	for block := range floorBlocks {
		var ours, hands []float64
		for pair := range floorPairs {
			m := prepare(t, server, fmt.Sprintf("floor-%d-%d", block, pair), "floor", nil)
			ours = append(ours, oursT2(t, m, program))
			hands = append(hands, handT2(t, m))
		}
		slices.Sort(ours)
		slices.Sort(hands)
		a, b := ours[floorPairs/2], hands[floorPairs/2]
		last = fmt.Sprintf("T0 to T2: meshtask %.0f ms, by hand %.0f ms, ratio %.2f (medians of %d; %.0f and %.0f)", a, b, a/b, floorPairs, ours, hands)
		t.Log(last)
		if a <= floorRatio*b {
			return
		}
	}
	t.Errorf("%s; at most %.1f is wanted, in one of %d blocks", last, floorRatio, floorBlocks)
}

// oursT2 runs a task to T2 and ends it. Its state directory stays: handT2 repeats
// what it finds there.
func oursT2(t *testing.T, m member, program string) float64 {
	t.Helper()
	id := m.config["task"].(map[string]any)["id"].(string)
	k := harness.StartTask(t, harness.TaskConfig{Name: id, Binary: program, Config: m.config, Dir: m.dir(t),
		CMD: []string{harness.App(t), "--name", id, "--listen", m.address + ":8080"}})
	t0, t2 := k.Mark(t, soon, "up", "T0"), k.Mark(t, soon, "up", "T2")
	if err := k.Signal(15); err != nil {
		t.Fatal(err)
	}
	k.Wait(t, soon)
	return t2.Ms - t0.Ms
}

// dir is a state directory that both runs of a pair share, short enough for a
// socket in it.
func (m member) dir(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(t.TempDir()), m.config["task"].(map[string]any)["id"].(string))
}

// handT2 plays the same steps by hand, with nothing between them, and returns the
// milliseconds from the exec of the agent to the exec of the app.
func handT2(t *testing.T, m member) float64 {
	t.Helper()
	dir := m.dir(t)
	agentConfig := filepath.Join(dir, "consul.json")
	if err := os.RemoveAll(filepath.Join(dir, "consul")); err != nil {
		t.Fatal(err)
	}
	consul, envoy, app := harness.Consul(t), harness.Envoy(t), harness.App(t)
	began := time.Now()
	agent := harness.Start(t, "hand-agent", []string{consul, "agent", "-config-file", agentConfig}, os.Environ())
	client := &http.Client{Transport: &http.Transport{}, Timeout: time.Second}
	base := "http://" + m.address + ":8500"
	quick(t, "a leader", func() bool {
		body, err := harness.Ask(t.Context(), client, answerLimit, http.MethodGet, base+"/v1/status/leader", nil)
		return err == nil && len(body) > 2
	})
	for _, payload := range m.payloads() {
		if _, err := harness.Ask(t.Context(), client, answerLimit, http.MethodPut, base+"/v1/agent/service/register", payload); err != nil {
			t.Fatal(err)
		}
	}
	proxy := harness.Start(t, "hand-envoy", []string{envoy, "-c", filepath.Join(dir, "envoy-bootstrap.json"),
		"--disable-hot-restart", "--log-level", "warning"}, os.Environ())
	socket := filepath.Join(dir, "envoy-admin.sock")
	admin := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	quick(t, "a live Envoy with its public listener", func() bool {
		state, err := harness.Ask(t.Context(), admin, answerLimit, http.MethodGet, "http://envoy/ready", nil)
		if err != nil || !strings.HasPrefix(string(state), "LIVE") {
			return false
		}
		listeners, err := harness.Ask(t.Context(), admin, answerLimit, http.MethodGet, "http://envoy/listeners?format=json", nil)
		return err == nil && bytes.Contains(listeners, []byte("public_listener"))
	})
	t2 := harness.Start(t, "hand-app", []string{app, "--listen", m.address + ":8080"}, nil)
	took := time.Since(began)
	for _, p := range []*harness.Process{t2, proxy, agent} {
		p.Kill()
	}
	return float64(took.Microseconds()) / 1000
}

// payloads are the two registrations, without what costs no time.
func (m member) payloads() []any {
	id := "floor-" + m.config["task"].(map[string]any)["id"].(string)
	return []any{
		map[string]any{"ID": id, "Name": "floor", "Port": 8080,
			"Checks": []any{map[string]any{"CheckID": id + "-app", "Name": "app", "TTL": "30s", "Status": "critical"}}},
		map[string]any{"Kind": "connect-proxy", "ID": id + "-sidecar-proxy", "Name": "floor-sidecar-proxy", "Port": 20000,
			"Proxy": map[string]any{"DestinationServiceName": "floor", "DestinationServiceID": id, "LocalServicePort": 8080,
				"LocalServiceAddress": m.address, "Config": map[string]any{"bind_address": m.address}},
			"Checks": []any{map[string]any{"Name": "Destination Alias", "AliasService": id}}},
	}
}

// quick polls every 2 ms, as the steps by hand did.
func quick(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("by hand: no %s within %v", what, soon)
		}
	}
}

// restingSize is the budget of a mesh task's meshtask, in KB (DESIGN §4).
const restingSize = 16 << 10

// What only the start needed is given back once a task is up.
func TestTaskRestsSmall(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := prepare(t, server, "small", "small", nil)
	id := m.config["task"].(map[string]any)["id"].(string)
	k := harness.StartTask(t, harness.TaskConfig{Name: id, Binary: harness.Plain(t), Config: m.config, Dir: m.dir(t),
		CMD: []string{harness.App(t), "--name", id, "--listen", m.address + ":8080"}})
	server.Passing(t, soon, "small", 1)
	var rss int
	quick(t, "a resident size within the budget", func() bool {
		rss, _ = strconv.Atoi(strings.TrimSuffix(field(t, k.PID, "status", "VmRSS:"), " kB"))
		return rss > 0 && rss <= restingSize
	})
	t.Logf("at rest: %d KB", rss)
}
