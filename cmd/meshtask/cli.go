package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"meshtask/internal/config"
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

// command is one word after meshtask.
type command struct {
	name, args, does string
	run              func(w *world, c call) int
	flags            func(*flag.FlagSet) // nil: none
}

// call is one parsed command line.
type call struct {
	set     map[string]string // the flags that were given
	rest    []string          // arguments before --
	cmd     []string          // what stands after --
	hasDash bool
}

func (c call) on(name string) bool { return c.set[name] == "true" }

// mode is that of a task with a mesh.
func (c call) mode() config.Mode {
	if c.on("job") {
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
	if len(w.args) == 0 {
		usage(w.stderr)
		return exitUsage
	}
	name := w.args[0]
	switch name {
	case "help", "-h", "-help", "--help":
		usage(w.stdout)
		return 0
	case "-version", "--version":
		name = "version"
	}
	table := commands()
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		return w.fail(exitUsage, "unknown command %q%s", name, nearest(name, names(table)))
	}
	c, err := table[i].parse(w.args[1:])
	if errors.Is(err, flag.ErrHelp) {
		table[i].help(w.stdout)
		return 0
	}
	if err != nil {
		return w.fail(exitUsage, "%s: %v", name, err)
	}
	return table[i].run(w, c)
}

func (c command) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if c.flags != nil {
		c.flags(fs)
	}
	return fs
}

// parse splits at -- and reads the flags before it.
func (c command) parse(args []string) (call, error) {
	out := call{set: map[string]string{}}
	if i := slices.Index(args, "--"); i >= 0 {
		out.cmd, out.hasDash, args = args[i+1:], true, args[:i]
	}
	fs := c.flagSet()
	for { // flags may follow arguments: config check --config FILE
		if err := fs.Parse(args); err != nil {
			return out, c.explain(fs, err)
		}
		if args = fs.Args(); len(args) == 0 {
			break
		}
		out.rest, args = append(out.rest, args[0]), args[1:]
	}
	fs.Visit(func(f *flag.Flag) { out.set[f.Name] = f.Value.String() })
	return out, nil
}

// explain turns the flag package's error into one line with the nearest name.
func (c command) explain(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, "--"+f.Name) })
	return fmt.Errorf("unknown flag --%s%s", strings.TrimLeft(name, "-"), nearest("--"+strings.TrimLeft(name, "-"), known))
}

func (c command) help(out io.Writer) {
	fmt.Fprintf(out, "meshtask %s %s\n  %s\n", c.name, c.args, c.does)
	c.flagSet().VisitAll(func(f *flag.Flag) { fmt.Fprintf(out, "  --%-15s %s\n", f.Name, f.Usage) })
}

func names(table []command) []string {
	var out []string
	for _, c := range table {
		out = append(out, c.name)
	}
	return out
}

// nearest suggests what a word was probably meant to be.
func nearest(word string, known []string) string {
	if at := spell.Nearest(word, known...); at != "" {
		return fmt.Sprintf(" (did you mean %s?)", at)
	}
	return ""
}
