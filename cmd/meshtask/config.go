package main

import (
	"errors"
	"fmt"

	"meshtask/internal/config"
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
		return w.print([]byte(config.Docs()))
	case "check":
		cfg, warnings, err := w.config(config.Run, c)
		for _, warn := range warnings {
			fmt.Fprintf(w.stderr, "meshtask: warning: %s\n", warn)
		}
		if err != nil {
			return w.fail(exitConfig, "%v", err)
		}
		fmt.Fprintf(w.stdout, "ok: %s\n", sourceName(cfg))
		return 0
	}
	return w.fail(exitUsage, "config: unknown word %q%s", c.rest[0], nearest(c.rest[0], []string{"check", "schema", "docs"}))
}

func sourceName(cfg *config.Config) string {
	if cfg.Source == "" {
		return "no document, defaults and environment only"
	}
	return cfg.Source
}

// print writes text to standard output; a closed reader is an internal error.
func (w *world) print(text []byte) int {
	if _, err := w.stdout.Write(text); err != nil {
		return w.fail(exitInternal, "cannot write: %v", errors.Unwrap(err))
	}
	return 0
}
