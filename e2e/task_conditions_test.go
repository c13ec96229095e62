package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// looked is longer than what nobody reports is looked at, twice.
const looked = 2 * time.Minute

// condition waits until a condition of the running task holds or does not, and has this code.
func (m member) condition(t *testing.T, name string, ok bool, code string) {
	t.Helper()
	harness.Eventually(t, looked, fmt.Sprintf("condition %s: %v %s", name, ok, code), func() error {
		out, err := exec.Command(harness.Meshtask(t), "status", "--json", "--dir", m.Dir).Output()
		if err != nil {
			return err
		}
		var s struct {
			Conditions []struct {
				Name, Code, Reason string
				OK                 bool
			}
		}
		if err := json.Unmarshal(out, &s); err != nil {
			return err
		}
		for _, c := range s.Conditions {
			if c.Name == name && c.OK == ok && c.Code == code {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", s.Conditions)
	})
}

// because asks the live task, its record and its log, and wants the code of each.
func (m member) because(t *testing.T, code string, from map[string][]string) {
	t.Helper()
	for name, args := range from {
		given := ""
		if name == "log" {
			given = m.Output()
		}
		if text, err := m.why(t, given, args...); err != nil || !strings.Contains(text, "(code "+code+";") {
			t.Errorf("%s: want code %s (%v) in\n%s", name, code, err, text)
		}
	}
}

// What is wrong while every mark is reached is said: of an upstream, of the app, of the
// servers; by the running task, by its record and by its log.
func TestTaskConditions(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{Deny: true})
	healthy := filepath.Join(t.TempDir(), "healthy")
	touch := func() {
		if err := os.WriteFile(healthy, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touch()
	web := startTask(t, server, "cond-web", "web", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
		c["health"] = map[string]any{"app": map[string]any{"command": []string{"CMD-SHELL", "test -e " + healthy}, "interval": 5, "retries": 1}}
	})
	web.up(t)
	live := map[string][]string{"live": {"--dir", web.Dir}}
	web.condition(t, "upstream:api", false, "upstream-no-instance")
	web.because(t, "upstream-no-instance", live)
	api := startTask(t, server, "cond-api", "api", nil)
	api.up(t)
	web.condition(t, "upstream:api", false, "upstream-denied")
	server.Allow(t, "web", "api")
	web.condition(t, "upstream:api", true, "")
	for _, name := range []string{"app-ready", "app-healthy", "agent-alive", "envoy-live", "listener-bound", "envoy-config-accepted", "servers-reachable", "registered", "certificate", "checks-passing"} {
		web.condition(t, name, true, "")
	}
	web.because(t, "ok", live)

	if err := os.Remove(healthy); err != nil {
		t.Fatal(err)
	}
	web.condition(t, "app-healthy", false, "app-unhealthy")
	web.because(t, "app-unhealthy", live)
	web.term(t) // as ECS does with a task whose check fails
	web.ended(t, 0)
	web.because(t, "app-unhealthy", map[string][]string{"record": {"--dir", web.Dir}, "log": {"-"}})

	server.Kill()
	api.condition(t, "servers-reachable", false, "servers-unreachable")
	if out, err := exec.Command(harness.Meshtask(t), "health", "--dir", api.Dir).CombinedOutput(); err != nil {
		t.Errorf("an outage of Consul must not restart the task: %v %s", err, out)
	}
	api.term(t)
	api.ended(t, 0)
	api.because(t, "servers-unreachable", map[string][]string{"record": {"--dir", api.Dir}, "log": {"-"}})
}
