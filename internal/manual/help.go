// Package manual prints what a tree of commands says of itself: help, usage lines and man
// pages, of whatever commands there are.
//
// It is written by functions. With cobra's templates, which look methods up by name, the
// linker would have to keep every method of every client of AWS, twice the binary; and cobra's
// generator of pages brings a Markdown parser, whose tables every task would build before main.
package manual

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"meshtask/internal/wrap"
)

// columns is how wide help is printed.
const columns = 80

// First prints the first screen of a program: what it is, what to do first (its example), and
// its commands by their groups.
func First(out io.Writer, root *cobra.Command) {
	fmt.Fprintf(out, "%s\n", strings.TrimSpace(cmp.Or(root.Long, root.Short)))
	if root.HasExample() {
		fmt.Fprintf(out, "\n%s\n", strings.TrimRight(root.Example, "\n"))
	}
	list(out, root)
	fmt.Fprintf(out, "\n%s help COMMAND: flags and examples of one\n", root.Name())
}

// Help returns what says what a command does, or which there are; end is what the program's
// help ends with.
func Help(end string) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, _ []string) {
		out, program := cmd.OutOrStdout(), cmd.Root().Name()
		if !cmd.HasParent() {
			First(out, cmd)
			fmt.Fprint(out, end)
			return
		}
		usage := program + " " + cmd.Use
		if cmd.HasAvailableSubCommands() {
			usage = cmd.CommandPath() + " COMMAND [flags]"
		}
		fmt.Fprintf(out, "%s\n\n%s\n", usage, sentence(cmd.Short))
		if cmd.Long != "" {
			fmt.Fprintln(out, strings.Join(wrap.Lines("", "", cmd.Long, columns), "\n"))
		}
		if cmd.HasAvailableSubCommands() {
			list(out, cmd)
		}
		if cmd.HasAvailableLocalFlags() {
			fmt.Fprintf(out, "\nflags:\n%s", cmd.LocalFlags().FlagUsagesWrapped(columns))
		}
		if cmd.HasExample() {
			fmt.Fprintf(out, "\nexamples:\n  %s\n", strings.ReplaceAll(cmd.Example, "\n", "\n  "))
		}
	}
}

// sentence is a short text with a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Usage is what is printed of a line that was not understood.
func Usage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	if !cmd.HasAvailableSubCommands() {
		_, err := fmt.Fprintf(out, "usage: %s %s\n", cmd.Root().Name(), cmd.Use)
		return err
	}
	fmt.Fprintf(out, "usage: %s COMMAND [flags]\n", cmd.CommandPath())
	list(out, cmd)
	return nil
}

// list prints the commands, by their groups where they have some. Those without one are not
// shown beside others that have one.
func list(out io.Writer, cmd *cobra.Command) {
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{}}
	}
	wide := 0
	for _, g := range groups {
		wide = max(wide, len(g.Title))
	}
	fmt.Fprintln(out)
	for _, g := range groups {
		title := g.Title
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && c.GroupID == g.ID {
				fmt.Fprintf(out, "%-*s  %-15s %s\n", wide, title, c.Name(), c.Short)
				title = ""
			}
		}
	}
}
