package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshtask/internal/config"
	"meshtask/internal/manual"
	"meshtask/internal/spell"
)

// Exit codes of our own; docs and help print this table (CONTRACT §3).
const (
	exitUsage    = 2
	exitConfig   = 200
	exitSecret   = 201
	exitConsul   = 202
	exitRegister = 203
	exitEnvoy    = 204
	exitNotReady = 205
	exitRestarts = 206
	exitVersion  = 207
	exitRunTime  = 209
	exitInternal = 210
	exitMetadata = 211
)

// command is one word after meshtask. The flags are checked with the configuration, so that
// everything wrong is reported at once; cobra has the line, the help and the completions.
type command struct {
	name, args, does string
	more             string // of it, in sentences
	group            string
	example          string   // lines
	words            []string // second words, such as check of config
	takesCommand     bool     // CMD after --
	run              func(w *world, c call) int
	flags            func(*pflag.FlagSet) // nil: none
}

// call is one parsed command line.
type call struct {
	set     map[string]string // the flags that were given
	rest    []string          // arguments before --
	cmd     []string          // what stands after --
	hasDash bool
	fs      *pflag.FlagSet
	doc     []byte // the configuration, where it is not to be read from a file
}

func (c call) on(name string) bool { return c.set[name] == "true" }

// mode is what the flags of run ask for.
func (c call) mode() config.Mode {
	switch {
	case c.on("no-mesh"):
		return config.NoMesh
	case c.on("job"):
		return config.Job
	}
	return config.Run
}

// flag is a flag that was given, else its variable; "" is neither.
func (w *world) flag(c call, name string) string {
	return cmp.Or(c.set[name], w.getenv(config.Variable(name)))
}

// source is what gave a flag's value, as messages name it: the flag or its variable.
func (w *world) source(c call, name string) string {
	if c.set[name] == "" && w.getenv(config.Variable(name)) != "" {
		return config.Variable(name)
	}
	return "--" + name
}

// run is the whole program.
func (w *world) run() int {
	code := 0
	root := w.root(&code)
	if len(w.args) == 0 {
		manual.First(w.stderr, root)
		return exitUsage
	}
	root.SetArgs(slices.Clone(w.args))
	ran, err := root.ExecuteC()
	if err == nil {
		return code
	}
	return w.mistaken(ran, err)
}

// root is the command line. code gets the exit code of the command that runs.
func (w *world) root(code *int) *cobra.Command {
	asked := false // for the version
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use: "meshtask", Short: "the single entrypoint of an ECS task in a Consul service mesh",
		Long: helpBegin, Example: helpFirst,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs, TraverseChildren: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &unknownWord{args}
			}
			if asked {
				fmt.Fprint(w.stdout, w.versionLine())
			}
			return nil
		},
	}
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	root.SetHelpFunc(manual.Help(helpEnd))
	root.SetUsageFunc(manual.Usage)
	root.Flags().SetInterspersed(false) // what is behind a word that is no command is not ours
	root.Flags().BoolVarP(&asked, "version", "v", false, "print the version")
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, c := range commands() {
		if !root.ContainsGroup(c.group) {
			root.AddGroup(&cobra.Group{ID: c.group, Title: c.group})
		}
		root.AddCommand(w.command(c, code))
	}
	root.AddCommand(man(root))
	root.SetHelpCommand(help(root))
	return root
}

// command makes one command, and those of its second words.
func (w *world) command(c command, code *int) *cobra.Command {
	made := &cobra.Command{Use: strings.TrimSpace(c.name + " " + c.args), Short: c.does, Long: c.more, Example: c.example, GroupID: c.group,
		Args: cobra.ArbitraryArgs, DisableFlagsInUseLine: true, ValidArgs: c.words,
		RunE: func(cmd *cobra.Command, args []string) error {
			line := parsed(cmd, args)
			if *code = w.misplaced(c, line); *code == 0 {
				*code = c.run(w, line)
			}
			return nil
		}}
	if c.flags != nil {
		c.flags(made.Flags())
	}
	made.Flags().SortFlags = false
	made.Flags().SetInterspersed(!c.takesCommand) // a command's own flags are not ours
	return made
}

// parsed is what cobra has read.
func parsed(cmd *cobra.Command, args []string) call {
	c := call{set: map[string]string{}, rest: args, fs: cmd.Flags()}
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		c.rest, c.cmd, c.hasDash = args[:at], args[at:], true
	}
	cmd.Flags().Visit(func(f *pflag.Flag) { c.set[f.Name] = f.Value.String() })
	return c
}

// unknownWord is a first word that is no command, with what stands behind it.
type unknownWord struct{ words []string }

func (u *unknownWord) Error() string { return fmt.Sprintf("unknown command %q", u.words[0]) }

// mistaken is one line for a line that was not understood, with the nearest name, or with the
// line that was probably meant. A bad value is a matter of the configuration, and so is its exit
// code.
func (w *world) mistaken(cmd *cobra.Command, err error) int {
	if u, ok := errors.AsType[*unknownWord](err); ok {
		return w.fail(exitUsage, "%s", w.unknown(cmd.Root(), u.words))
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		return w.fail(exitUsage, "%s: unknown flag %s%s", cmd.Name(), name, nearest("--"+unknown.GetSpecifiedName(), known))
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return w.fail(exitConfig, "%s: --%s: must be true or false, got %q", cmd.Name(), bad.GetFlag().Name, bad.GetValue())
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		value := "VALUE"
		if f := cmd.Flags().Lookup(missing.GetSpecifiedName()); f != nil {
			value, _ = pflag.UnquoteUsage(f)
		}
		return w.fail(exitUsage, "%s: --%s: a value is needed: --%s %s", cmd.Name(), missing.GetSpecifiedName(), missing.GetSpecifiedName(), value)
	}
	return w.fail(exitUsage, "%s: %v", cmd.Name(), err)
}

// nearest suggests what a word was probably meant to be.
func nearest(word string, known []string) string {
	if at := spell.Nearest(word, known...); at != "" {
		return fmt.Sprintf(" (did you mean %s?)", at)
	}
	return ""
}
