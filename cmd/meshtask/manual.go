package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manual is `meshtask man DIR`. The pages are made by hand: cobra's own generator brings a
// Markdown parser, whose tables every task would build before main.
func manual(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write the man pages into a directory that exists", Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
				name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
				if !c.IsAvailableCommand() && c != root {
					continue
				}
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(page(c)), 0o644); err != nil {
					return fmt.Errorf("cannot write the page: %w", err)
				}
			}
			return nil
		},
	}
}

// page is the man page of one command, as roff.
func page(c *cobra.Command) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	line(`.TH %s 1 "" "meshtask %s"`, strings.ToUpper(roff(name)), roff(version))
	line(".SH NAME\n%s \\- %s", roff(name), roff(c.Short))
	line(".SH SYNOPSIS\n.B %s", roff(strings.TrimSpace(c.Root().Name()+" "+strings.TrimPrefix(c.Use, c.Root().Name()))))
	if c.HasAvailableSubCommands() {
		line(".SH COMMANDS")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				line(".TP\n.B %s\n%s", roff(sub.Use), roff(sub.Short))
			}
		}
		line(".SH SEE ALSO")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				line(".BR meshtask\\-%s (1)", roff(sub.Name()))
			}
		}
		return b.String()
	}
	line(".SH OPTIONS")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if value, _ := pflag.UnquoteUsage(f); value != "" {
			line(".TP\n.BI \\-\\-%s \" %s\"\n%s", roff(f.Name), roff(strings.ToUpper(value)), roff(f.Usage))
		} else {
			line(".TP\n.B \\-\\-%s\n%s", roff(f.Name), roff(f.Usage))
		}
	})
	if c.HasExample() {
		line(".SH EXAMPLES\n.nf\n%s\n.fi", roff(c.Example))
	}
	return b.String()
}

// roff makes text safe in a man page: no escape, and no line that begins as a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
