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
)

// Help returns what says what a command does, or which there are; end is what the program's
// help ends with.
func Help(end string) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, _ []string) {
		out, program := cmd.OutOrStdout(), cmd.Root().Name()
		if !cmd.HasAvailableSubCommands() {
			fmt.Fprintf(out, "%s %s\n  %s\n", program, cmd.Use, cmd.Short)
			if cmd.HasAvailableLocalFlags() {
				fmt.Fprintf(out, "\n%s", cmd.LocalFlags().FlagUsages())
			}
			if cmd.HasExample() {
				fmt.Fprintf(out, "\nfor example:\n%s\n", cmd.Example)
			}
			return
		}
		fmt.Fprintf(out, "%s\n\nusage: %s COMMAND [flags]", strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)), cmd.CommandPath())
		if cmd.HasParent() {
			fmt.Fprintln(out)
			list(out, cmd)
			return
		}
		fmt.Fprint(out, " [-- CMD ARG…]\n")
		list(out, cmd)
		fmt.Fprintf(out, "\n%s help COMMAND says more of one. %s", program, end)
	}
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

func list(out io.Writer, cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(out, "\n  %-15s %s", c.Name(), c.Short)
		}
	}
	fmt.Fprintln(out)
}
