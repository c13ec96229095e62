package task

import (
	"encoding/json"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/printable"
)

// notes is a report for units that still speak in strings.
func notes(report event.Report) func(name, detail string, kv ...any) {
	return func(name, detail string, kv ...any) {
		data := map[string]any{}
		for i := 0; i+1 < len(kv); i += 2 {
			value := kv[i+1]
			switch v := value.(type) {
			case error:
				value = v.Error()
			case time.Duration:
				value = v.String()
			}
			data[kv[i].(string)] = value
		}
		text, err := json.Marshal(data)
		if err != nil {
			return
		}
		if e, err := event.Parse(name, detail, text); err == nil {
			report(e)
		}
	}
}

// waitings is a report for waits in strings.
func waitings(report event.Report) func(what, lastError, hint string) {
	return func(what, lastError, hint string) {
		if what == "" {
			report(event.WaitOver{})
			return
		}
		report(event.Waiting{What: what, Err: lastError, Fix: hint})
	}
}

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
