package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// restingSize is the budget of a mesh task's meshtask, in KB (DESIGN §4).
const restingSize = 16 << 10

// What only the start needed is given back once a task is up.
func TestTaskRestsSmall(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := prepare(t, server, "small", "small", nil)
	id := m.config["task"].(map[string]any)["id"].(string)
	k := harness.StartTask(t, harness.TaskConfig{Name: id, Binary: harness.Plain(t), Config: m.config, Dir: t.TempDir(),
		CMD: []string{harness.App(t), "--name", id, "--listen", m.address + ":8080"}})
	server.Passing(t, soon, "small", 1)
	harness.Eventually(t, soon, "a resident size within the budget", func() error {
		rss, err := strconv.Atoi(strings.TrimSuffix(field(t, k.PID, "status", "VmRSS:"), " kB"))
		if err == nil && rss > restingSize {
			err = fmt.Errorf("%d KB", rss)
		}
		return err
	})
}
