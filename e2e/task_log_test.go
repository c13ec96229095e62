package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// ownLine is one of ours, or of a child's that is not the app, in a log in text.
var ownLine = regexp.MustCompile(`^(\[[a-z-]+\] )?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[([A-Z]+)\] +\S`)

// The log of a healthy life has time and level on every line, nothing at WARN or ERROR, ours
// or a child's, and says in a sentence that it is up and how it ended.
func TestTaskHealthyLog(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			m := startTask(t, server, "log-"+format, "log-"+format, func(c map[string]any) {
				c["log"] = map[string]any{"format": format}
			})
			m.up(t)
			m.term(t)
			m.ended(t, 0)
			var lines []string
			own := 0
			for line := range strings.Lines(m.Output()) {
				line = strings.TrimRight(line, "\n")
				text, level, ours := parsed(format, line)
				switch {
				case !ours && strings.HasPrefix(line, "log-"+format): // the app's own
					continue
				case !ours:
					t.Errorf("no time and level: %s", line)
				case (level == "WARN" || level == "ERROR") && !starved(text):
					t.Errorf("in a healthy life: %s", line)
				}
				lines = append(lines, text)
				if !strings.HasPrefix(text, "[") {
					own++
				}
			}
			if n := len(lines); n < 2 || !strings.Contains(lines[n-1], "summary") || !strings.Contains(lines[n-2], "stopped cleanly in ") {
				t.Errorf("the log ends with\n%s", strings.Join(lines[max(0, len(lines)-2):], "\n"))
			}
			if own > 18 {
				t.Errorf("%d lines of ours tell a healthy life, want about a dozen", own)
			}
			if up := fmt.Sprintf("log-%s is up after ", format); strings.Count(strings.Join(lines, "\n"), up) != 1 {
				t.Errorf("%q is not said once", up)
			}
		})
	}
}

// parsed is a line of the log: its text, its level, and whether it has time and level.
func parsed(format, line string) (text, level string, ok bool) {
	if format == "text" {
		found := ownLine.FindStringSubmatch(line)
		if found == nil {
			return line, "", false
		}
		return line, found[2], true
	}
	var doc struct {
		Level   string `json:"@level"`
		Message string `json:"@message"`
		At      string `json:"@timestamp"`
	}
	if json.Unmarshal([]byte(line), &doc) != nil || doc.Level == "" || doc.At == "" {
		return line, "", false
	}
	return doc.Message, strings.ToUpper(doc.Level), true
}

// starved is what an agent, or a server, says on a machine that is too busy for it to answer gossip
// in time: the task is told the truth, and is not to blame.
func starved(line string) bool {
	return strings.Contains(line, "memberlist: Refuting a suspect message") || strings.Contains(line, "memberlist: Failed fallback TCP ping")
}
