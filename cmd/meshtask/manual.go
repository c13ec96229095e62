package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"meshtask/internal/manual"
)

// helpEnd is what the help of the program ends with.
const helpEnd = `Begin with: meshtask dev -- CMD

exit codes: the app's own, 128+n when signal n ended it; 126 CMD not executable, 127 not found;
  2 usage, 200 config, 201 secret, 202 Consul missing or not joined, 203 registration or ACL,
  204 Envoy missing or not ready, 205 app never ready, 206 restart budget spent, 207 version,
  208 hook, 209 run time limit, 210 internal or state directory, 211 task metadata endpoint
`

// man is `meshtask man DIR`.
func man(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write the man pages into a directory that exists", Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			for name, text := range manual.Pages(root, version) {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil {
					return fmt.Errorf("cannot write the page: %w", err)
				}
			}
			return nil
		},
	}
}
