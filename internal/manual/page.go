package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Pages are the man pages of a program and its commands, by the names of their files.
func Pages(root *cobra.Command, version string) map[string]string {
	pages := map[string]string{}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c == root || c.IsAvailableCommand() {
			pages[strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"] = page(c, version)
		}
	}
	return pages
}

// page is the man page of one command, as roff.
func page(c *cobra.Command, version string) string {
	program := c.Root().Name()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	line(`.TH %s 1 "" "%s %s"`, strings.ToUpper(roff(name)), roff(program), roff(version))
	line(".SH NAME\n%s \\- %s", roff(name), roff(c.Short))
	line(".SH SYNOPSIS\n.B %s", roff(strings.TrimSpace(program+" "+strings.TrimPrefix(c.Use, program))))
	if c.Long != "" {
		line(".SH DESCRIPTION\n%s", roff(c.Long))
	}
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
				line(`.BR %s\-%s (1)`, roff(program), roff(sub.Name()))
			}
		}
		return b.String()
	}
	line(".SH OPTIONS")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		switch {
		case f.Hidden:
		case value != "":
			line(".TP\n.BI \\-\\-%s \" %s\"\n%s", roff(f.Name), roff(strings.ToUpper(value)), roff(usage))
		default:
			line(".TP\n.B \\-\\-%s\n%s", roff(f.Name), roff(usage))
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
