package config

import (
	"fmt"
	"strings"
)

// Finding is one thing that is wrong, or odd.
type Finding struct {
	Path string // JSON path, flag or variable: "proxy.upstreams[0].localBindPort", "--stop-timeout"
	Text string // without the path
}

// String is "path: text".
func (f Finding) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}

// Errors is everything that is wrong with a configuration. It holds no secret.
type Errors struct {
	Source   string // name of the document; empty: there was none
	Findings []Finding
	More     int // that are not in Findings
}

// Error is one finding a line, under a head line that names the document.
func (e *Errors) Error() string {
	head := "bad configuration"
	if e.Source != "" {
		head += " in " + e.Source
	}
	if len(e.Findings) == 1 {
		return head + ": " + e.Findings[0].String()
	}
	lines := []string{head + ":"}
	for _, f := range e.Findings {
		lines = append(lines, "  "+f.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}
