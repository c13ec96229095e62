package main

import (
	"encoding/json"
	"errors"

	"meshtask/internal/config"
	"meshtask/internal/printable"
	"meshtask/internal/why"
)

// runConfig is `meshtask config check|schema|docs`.
func runConfig(w *world, c call) int {
	if len(c.rest) != 1 {
		return w.fail(exitUsage, "config: want one of check, schema, docs")
	}
	switch c.rest[0] {
	case "schema":
		return w.print(config.Schema())
	case "docs":
		if c.on("codes") {
			return w.print([]byte(why.Docs()))
		}
		return w.print([]byte(config.Docs()))
	case "check":
		cfg, warnings, err := w.config(config.Run, c)
		for _, warn := range warnings {
			w.warn("warning: %s", warn)
		}
		if err != nil {
			return w.fail(exitConfig, "%v", err)
		}
		return w.print([]byte("ok: " + sourceName(cfg) + "\n"))
	}
	return w.fail(exitUsage, "config: unknown word %q%s", c.rest[0], nearest(c.rest[0], []string{"check", "schema", "docs"}))
}

func sourceName(cfg *config.Config) string {
	if cfg.Source == "" {
		return "no document, defaults and environment only"
	}
	return cfg.Source
}

// print writes text to standard output, safe for a terminal: some of it may be
// somebody else's. JSON keeps its meaning. A closed reader is an internal error.
func (w *world) print(text []byte) int { return w.write(printable.Text(string(text))) }

// write is print for what is safe already, and may have colours.
func (w *world) write(text string) int {
	if _, err := w.stdout.WriteString(text); err != nil {
		return w.fail(exitInternal, "cannot write: %v", errors.Unwrap(err))
	}
	return 0
}

// printJSON prints the document of a command on one line.
func (w *world) printJSON(command string, doc any) int {
	text, err := json.Marshal(doc)
	if err != nil {
		return w.fail(exitInternal, "%s: %v", command, err)
	}
	return w.print(append(text, '\n'))
}
