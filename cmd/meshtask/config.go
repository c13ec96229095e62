package main

import (
	"encoding/json"
	"errors"
	"slices"

	"meshtask/internal/commandline"
	"meshtask/internal/config"
	"meshtask/internal/outputs"
	"meshtask/internal/printable"
	"meshtask/internal/terminal"
	"meshtask/internal/why"
)

// runConfig is `meshtask config check|schema|docs`.
func runConfig(w *world, c call) int {
	if len(c.Rest) > 1 && c.Rest[0] == "check" {
		return w.fail(exitUsage, "config check: unexpected argument %q (the file goes to --config): meshtask config check --config %s", c.Rest[1], commandline.Shell(c.Rest[1:2]))
	}
	if len(c.Rest) != 1 {
		return w.fail(exitUsage, "config: want one of check, schema, docs")
	}
	switch c.Rest[0] {
	case "schema":
		return w.schema(c.Set["of"])
	case "docs":
		if c.On("codes") {
			return w.print([]byte(why.Docs()))
		}
		if width, _, ok := terminal.Size(w.stdout); ok && !c.On("markdown") {
			return w.print([]byte(config.Fields(min(width, 100))))
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
		return w.print([]byte("ok: " + cfg.SourceName() + "\n"))
	}
	return w.fail(exitUsage, "config: unknown word %q%s", c.Rest[0], commandline.Nearest(c.Rest[0], []string{"check", "schema", "docs"}))
}

// schema prints the schema of the configuration, or of what meshtask writes.
func (w *world) schema(of string) int {
	switch {
	case of == "" || of == "config":
		return w.print(config.Schema())
	case !slices.Contains(outputs.Names(), of):
		return w.fail(exitUsage, "config schema: --of: %v%s", outputs.Unknown(of), commandline.Nearest(of, outputs.Names()))
	}
	text, err := outputs.Schema(of)
	if err != nil {
		return w.fail(exitInternal, "config schema: %v", err)
	}
	return w.print(text)
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
