package manual

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// tree is a program with one command and one that has commands of its own.
func tree() (root, leaf, group *cobra.Command) {
	run := func(*cobra.Command, []string) {}
	root = &cobra.Command{Use: "prog", Short: "does it", Long: "prog does it all."}
	leaf = &cobra.Command{Use: "leaf [flags]", Short: "one of them", Run: run, DisableFlagsInUseLine: true, Example: ".begins as a request\n'so does this\na\\b"}
	leaf.Flags().String("stop-after", "", "`WHEN` to stop")
	leaf.Flags().Bool("loud", false, "say more")
	group = &cobra.Command{Use: "group", Short: "many"}
	group.AddCommand(&cobra.Command{Use: "inner", Short: "of group", Run: run})
	leaf.Long = "It goes" + strings.Repeat(" on and", 14) + " on."
	root.AddGroup(&cobra.Group{ID: "1", Title: "first"}, &cobra.Group{ID: "2", Title: "second"})
	other := &cobra.Command{Use: "other", Short: "another one", Run: run, GroupID: "1"}
	leaf.GroupID, group.GroupID = "1", "2"
	root.AddCommand(leaf, other, group, &cobra.Command{Use: "hidden", Hidden: true, Run: run})
	return root, leaf, group
}

func TestHelp(t *testing.T) {
	root, leaf, group := tree()
	for _, c := range []struct {
		cmd  *cobra.Command
		says []string
		not  string
	}{
		{root, []string{"prog does it all.\n\n", "\nfirst   leaf            one of them\n        other           another one\nsecond  ", "prog help COMMAND: flags and examples of one\nTHE END"}, "hidden"},
		{leaf, []string{"prog leaf [flags]\n\nOne of them.\n", "--stop-after WHEN", "examples:\n  .begins", "It goes on and on and on and on and on and on and on and on and on and on and on\nand on"}, "THE END"},
		{group, []string{"prog group COMMAND [flags]\n\nMany.\n", "  inner "}, "THE END"},
	} {
		var out strings.Builder
		c.cmd.SetOut(&out)
		Help("THE END")(c.cmd, nil)
		for _, want := range c.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("help of %s does not say %q:\n%s", c.cmd.Name(), want, &out)
			}
		}
		if strings.Contains(out.String(), c.not) {
			t.Errorf("help of %s says %q", c.cmd.Name(), c.not)
		}
	}
}

// Nothing that a command says of itself is a request to the formatter.
func TestPages(t *testing.T) {
	root, _, _ := tree()
	pages := Pages(root, "1.2-rc.1")
	if len(pages) != 4 {
		t.Errorf("%d pages, want those of prog, leaf, other and group", len(pages))
	}
	for name, want := range map[string][]string{
		"prog.1":      {`.TH PROG 1 "" "prog 1.2\-rc.1"`, ".SH SYNOPSIS\n.B prog\n", ".TP\n.B leaf [flags]\none of them\n", `.BR prog\-group (1)`},
		"prog-leaf.1": {`.TH PROG\-LEAF 1`, ".B prog leaf [flags]\n", ".BI \\-\\-stop\\-after \" WHEN\"\nWHEN to stop\n", ".B \\-\\-loud\n", "\\&.begins as a request\n\\&'so does this\na\\eb\n"},
	} {
		for _, w := range want {
			if !strings.Contains(pages[name], w) {
				t.Errorf("%s lacks %q:\n%s", name, w, pages[name])
			}
		}
	}
}
