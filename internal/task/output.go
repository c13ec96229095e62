package task

import (
	"github.com/hashicorp/go-hclog"

	"meshtask/internal/printable"
)

// childOutput prints a child's lines from level on, each with its name.
func (t *task) childOutput(name string, from hclog.Level) func(stream int, level hclog.Level, line string) {
	prefix := ""
	if t.plan.Log.Prefix {
		prefix = "[" + name + "] "
	}
	log := t.d.Log.Named(name)
	return func(_ int, level hclog.Level, line string) {
		if level != hclog.NoLevel && level < from {
			return
		}
		if t.plan.Log.Format == "json" {
			if level == hclog.NoLevel {
				level = hclog.Info
			}
			log.Log(level, line)
			return
		}
		t.d.Out.Line(prefix, []byte(printable.Text(line)))
	}
}
