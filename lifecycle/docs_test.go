package lifecycle

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docs = "../docs/timeline.md"

// docs/timeline.md is generated from the table; go test ./lifecycle -update
// rewrites it.
func TestTheDocsAreTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The timeline\n\nGenerated from `lifecycle/timeline.go` by `go test ./lifecycle -update`; do not edit.\n")
	b.WriteString("The marks are those of Consul's page \"AWS ECS\".\n")
	for _, tl := range []struct {
		name, words string
		rows        Timeline
	}{
		{"documented", "The default, `shutdown.agentLeave: \"last\"`: the agent leaves last, so that the app has live discovery and certificates for as long as it runs.", Documented()},
		{"agent-first", "`shutdown.agentLeave: \"first\"`, the letter of the page: the agent leaves at T0, and a slow app runs on Envoy's last snapshot.", AgentFirst()},
		{"agentless", "`consulServers`: there is no agent; a server is looked for, and the sidecar is deregistered last.", Agentless()},
		{"gateway", "`gateway`: the task is a gateway, with an agent here; there is no app, and Envoy ends when the drain has.", Documented().Gateway()},
	} {
		b.WriteString("\n## " + tl.name + "\n\n" + tl.words + "\n\n" + tl.rows.Markdown())
		b.WriteString("\n```\n" + tl.rows.Text() + "```\n")
		b.WriteString("\nUp:\n\n```mermaid\n" + tl.rows.Diagram(false) + "```\n\nDown:\n\n```mermaid\n" + tl.rows.Diagram(true) + "```\n")
	}
	if *update {
		if err := os.WriteFile(docs, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), b.String()); diff != "" {
		t.Errorf("docs/timeline.md is stale, run go test ./lifecycle -update: %s", diff)
	}
}
