package e2e

import (
	"syscall"
	"testing"

	"meshtask/e2e/harness"
)

// An image without a shell, and with a STOPSIGNAL of its own: the app is asked by HTTP, and the
// image's signal begins the stop.
func TestTaskOfAnImageAsItIs(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "image", "image", func(c map[string]any) {
		url := "http://" + c["task"].(map[string]any)["address"].(string) + ":8080/healthz"
		c["app"] = map[string]any{"ready": map[string]any{"http": url}, "stopOn": []string{"WINCH"}, "stopSignal": "TERM"}
		c["health"] = map[string]any{"app": map[string]any{"http": url, "interval": 5, "retries": 1}}
	})
	m.up(t)
	m.condition(t, "app-healthy", true, "")
	answers(t, "http://"+m.address+":8080/sick", 200, "")
	m.condition(t, "app-healthy", false, "app-unhealthy")
	m.because(t, "app-unhealthy", map[string][]string{"the task": {"--dir", m.Dir}})
	answers(t, "http://"+m.address+":8080/well", 200, "")
	m.condition(t, "app-healthy", true, "")
	if err := m.Signal(syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	if s := m.ended(t, 0); s.Reason != "WINCH" || s.Left != "verified" || s.Deregistered != "verified" {
		t.Errorf("it ended for %s, left %s, deregistered %s", s.Reason, s.Left, s.Deregistered)
	}
}
