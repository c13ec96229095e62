package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"meshtask/internal/manual"
)

// The program's help: what it is, what to do first, and its end.
const (
	helpBegin = `meshtask runs an ECS task in a Consul service mesh: it starts the Consul agent,
Envoy and your app in order, and stops them in order.`

	helpFirst = `on this machine, with consul and envoy on PATH (your app gets its port in PORT):
  meshtask dev --port 8080 -- sh -c 'exec ./server --listen 127.0.0.1:$PORT'
in an ECS task, as the entrypoint of a container:
  meshtask run -- ./server --listen 127.0.0.1:8080`

	helpEnd = `
exit codes: the app's own, 128+n when signal n ended it; 126 CMD not executable, 127 not found;
  2 usage, 200 config, 201 secret, 202 Consul missing or not joined, 203 registration or ACL,
  204 Envoy missing or not ready, 205 app never ready, 206 restart budget spent, 207 version,
  208 hook, 209 run time limit, 210 internal or state directory, 211 task metadata endpoint
`
)

// help is `meshtask help [COMMAND]`.
func help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "say more of a command", Args: cobra.ArbitraryArgs, DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root && len(rest) > 0 {
				return &unknownWord{args}
			}
			return cmd.Help()
		},
	}
}

// man is `meshtask man DIR`.
func man(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write the man pages into a directory", Args: cobra.ArbitraryArgs, DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("one directory is needed, which exists: meshtask man DIR")
			}
			for name, text := range manual.Pages(root, version) {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil {
					return fmt.Errorf("cannot write the page: %w", err)
				}
			}
			return nil
		},
	}
}
