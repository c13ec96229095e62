package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Help is written by functions: with cobra's templates, which look methods up by name, the
// linker would have to keep every method of every client of AWS, twice the binary.

const exitCodes = `exit codes: the app's own, 128+n when signal n ended it; 126 CMD not executable, 127 not found;
  2 usage, 200 config, 201 secret, 202 Consul missing or not joined, 203 registration or ACL,
  204 Envoy missing or not ready, 205 app never ready, 206 restart budget spent, 207 version,
  208 hook, 209 run time limit, 210 internal or state directory, 211 task metadata endpoint
`

// help says what a command does, or which there are.
func help(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	if !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "meshtask %s\n  %s\n", cmd.Use, cmd.Short)
		if cmd.HasAvailableLocalFlags() {
			fmt.Fprintf(out, "\n%s", cmd.LocalFlags().FlagUsages())
		}
		if cmd.HasExample() {
			fmt.Fprintf(out, "\nfor example:\n%s\n", cmd.Example)
		}
		return
	}
	fmt.Fprint(out, "meshtask is the single entrypoint of an ECS task in a Consul service mesh.\n\nusage: meshtask COMMAND [flags] [-- CMD ARG…]\n")
	list(out, cmd)
	fmt.Fprintf(out, "\nmeshtask help COMMAND says more of one. Begin with: meshtask dev -- CMD\n\n%s", exitCodes)
}

// usage is what is printed of a line that was not understood.
func usage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	if !cmd.HasAvailableSubCommands() {
		_, err := fmt.Fprintf(out, "usage: meshtask %s\n", cmd.Use)
		return err
	}
	fmt.Fprint(out, "usage: meshtask COMMAND [flags]\n")
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
