// Package commandline reads a program's command line by a table of its commands: it has the
// flags, the help and the completions, and answers a line that was not understood with the one
// that was probably meant. It runs nothing of its own and knows no command.
package commandline

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshtask/internal/manual"
)

// Program is a program with its commands. Nothing of it is changed after the first call.
type Program struct {
	Name, Does string
	// Begin is what the program is, First what to do first, End what its help ends with: lines.
	Begin, First, End string
	Runs, RunsHere    string        // the words before a CMD: in production, on this machine
	Version           string        // of the man pages
	VersionLine       func() string // what --version prints
	Commands          []Command

	Args     []string // behind the program's name
	In       io.Reader
	Out, Err io.Writer
}

// Command is one word behind the program's name. Its flags are words: what they mean, whoever
// runs it checks, so that everything wrong is reported at once.
type Command struct {
	Name, Args, Does string
	More             string               // of it, in sentences
	Group            string               // under which help lists it; "": help does not
	Example          string               // lines
	Words            []string             // second words, such as check of config
	TakesCommand     bool                 // CMD behind --
	Flags            func(*pflag.FlagSet) // nil: none
	Run              func(Call) int       // the exit code
}

// Call is one line that was understood.
type Call struct {
	Set     map[string]string // the flags that were given
	Rest    []string          // arguments before --
	Cmd     []string          // what stands behind --
	HasDash bool
}

// On says whether a switch was given, and not as false.
func (c Call) On(name string) bool { return c.Set[name] == "true" }

// Run runs what the line asks for and returns its exit code; where it is mistaken, nothing has
// been run. A line without words gets the first screen, on Err, and is a mistake that has been
// explained: its text is empty.
func (p *Program) Run() (code int, wrong *Mistake) {
	root := p.root(&code)
	if len(p.Args) == 0 {
		manual.First(p.Err, root)
		return 0, &Mistake{}
	}
	root.SetArgs(slices.Clone(p.Args))
	ran, err := root.ExecuteC()
	if err != nil {
		return 0, p.mistake(ran, err)
	}
	return code, nil
}

// Pages are the man pages, by the names of their files.
func (p *Program) Pages() map[string]string { return manual.Pages(p.root(new(int)), p.Version) }

// root is the whole line, for cobra. code gets the exit code of the command that runs.
func (p *Program) root(code *int) *cobra.Command {
	asked := false // for the version
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use: p.Name, Short: p.Does, Long: p.Begin, Example: p.First,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs, TraverseChildren: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &unknownWord{args}
			}
			if asked {
				_, err := io.WriteString(p.Out, p.VersionLine())
				return err
			}
			return nil
		},
	}
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetHelpFunc(manual.Help(p.End))
	root.SetUsageFunc(manual.Usage)
	root.Flags().SetInterspersed(false) // what is behind a word that is no command is not ours
	root.Flags().BoolVarP(&asked, "version", "v", false, "print the version")
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, c := range p.Commands {
		if c.Group != "" && !root.ContainsGroup(c.Group) {
			root.AddGroup(&cobra.Group{ID: c.Group, Title: c.Group})
		}
		root.AddCommand(p.command(c, code))
	}
	root.SetHelpCommand(help(root))
	return root
}

// command makes one command, and those of its second words.
func (p *Program) command(c Command, code *int) *cobra.Command {
	made := &cobra.Command{Use: strings.TrimSpace(c.Name + " " + c.Args), Short: c.Does, Long: c.More, Example: c.Example, GroupID: c.Group,
		Args: cobra.ArbitraryArgs, DisableFlagsInUseLine: true, ValidArgs: c.Words,
		RunE: func(cmd *cobra.Command, args []string) error {
			line := parsed(cmd, args)
			if err := p.misplaced(c, cmd.Flags(), line); err != nil {
				return err
			}
			*code = c.Run(line)
			return nil
		}}
	if c.Flags != nil {
		c.Flags(made.Flags())
	}
	made.Flags().SortFlags = false
	made.Flags().SetInterspersed(!c.TakesCommand) // a command's own flags are not ours
	return made
}

// parsed is what cobra has read.
func parsed(cmd *cobra.Command, args []string) Call {
	c := Call{Set: map[string]string{}, Rest: args}
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		c.Rest, c.Cmd, c.HasDash = args[:at], args[at:], true
	}
	cmd.Flags().Visit(func(f *pflag.Flag) { c.Set[f.Name] = f.Value.String() })
	return c
}

// help is `help [COMMAND]`.
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
