package commandline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshtask/internal/spell"
)

// Mistake is a line that was not understood.
type Mistake struct {
	Value bool // a flag's value is bad, which is a matter of the configuration
	text  string
}

// Error is one line, with the nearest name, or with the line that was probably meant.
func (m *Mistake) Error() string { return m.text }

func mistakef(format string, args ...any) *Mistake {
	return &Mistake{text: fmt.Sprintf(format, args...)}
}

// unknownWord is a first word that is no command, with what stands behind it.
type unknownWord struct{ words []string }

func (u *unknownWord) Error() string { return fmt.Sprintf("unknown command %q", u.words[0]) }

// mistake says what is wrong with a line.
func (p *Program) mistake(cmd *cobra.Command, err error) *Mistake {
	if m, ok := errors.AsType[*Mistake](err); ok {
		return m
	}
	if u, ok := errors.AsType[*unknownWord](err); ok {
		return mistakef("%s", p.unknown(cmd.Root(), u.words))
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		return mistakef("%s: unknown flag %s%s", cmd.Name(), name, Nearest("--"+unknown.GetSpecifiedName(), known))
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		m := mistakef("%s: --%s: must be true or false, got %q", cmd.Name(), bad.GetFlag().Name, bad.GetValue())
		m.Value = true
		return m
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		value := "VALUE"
		if f := cmd.Flags().Lookup(missing.GetSpecifiedName()); f != nil {
			value, _ = pflag.UnquoteUsage(f)
		}
		return mistakef("%s: --%s: a value is needed: --%s %s", cmd.Name(), missing.GetSpecifiedName(), missing.GetSpecifiedName(), value)
	}
	return mistakef("%s: %v", cmd.Name(), err)
}

// unknown answers a line whose first word is no command.
func (p *Program) unknown(root *cobra.Command, words []string) string {
	var known []string
	for _, c := range root.Commands() {
		known = append(known, c.Name())
	}
	line := Shell(words)
	unknown := fmt.Sprintf("unknown command %q", words[0])
	switch near := Nearest(words[0], known); {
	case p.Args[0] == "--":
		return fmt.Sprintf("a command is needed before --: %s %s (on this machine: %s %s)", p.Runs, line, p.RunsHere, line)
	case strings.Contains(words[0], "/"):
		return fmt.Sprintf("%s; to run it in a task: %s %s (on this machine: %s %s)", unknown, p.Runs, line, p.RunsHere, line)
	case near != "":
		return unknown + near
	case p.Args[0] == "help":
		return unknown + "; `" + p.Name + " help` lists them"
	}
	return fmt.Sprintf("%s; `%s help` lists them, and a program goes after --: %s %s", unknown, p.Name, p.Runs, line)
}

// misplaced refuses a line whose CMD is not where it belongs.
func (p *Program) misplaced(c Command, fs *pflag.FlagSet, line Call) error {
	switch {
	case !c.TakesCommand:
		return nil
	case len(line.Rest) > 0 && slices.Contains(line.Rest, "--"):
		return mistakef("%s: unexpected argument %q before -- (the command goes after --)", c.Name, line.Rest[0])
	case len(line.Rest) > 0:
		return mistakef("%s: unexpected argument %q (the command goes after --): %s %s", c.Name, line.Rest[0],
			p.Name, Shell(slices.Concat([]string{c.Name}, p.given(line), []string{"--"}, line.Rest)))
	case len(line.Cmd) > 0 && strings.HasPrefix(line.Cmd[0], "-"):
		flags, command := split(fs, line.Cmd)
		if len(command) == 0 {
			command = []string{"CMD"}
		}
		return mistakef("%s: %s after -- would be the command (flags go before --): %s %s", c.Name, line.Cmd[0],
			p.Name, Shell(slices.Concat([]string{c.Name}, p.given(line), flags, []string{"--"}, command)))
	}
	return nil
}

// given are the words of the line before its first argument or --, behind the command's name.
func (p *Program) given(line Call) []string {
	behind := len(line.Rest) + len(line.Cmd)
	if line.HasDash {
		behind++
	}
	return p.Args[1:max(1, len(p.Args)-behind)]
}

// split parts the flags at the begin of words from what is behind them.
func split(fs *pflag.FlagSet, words []string) (flags, rest []string) {
	for i := 0; i < len(words); i++ {
		name, isFlag := strings.CutPrefix(words[i], "-")
		if !isFlag {
			return words[:i], words[i:]
		}
		f := fs.Lookup(strings.TrimPrefix(name, "-"))
		if f != nil && f.NoOptDefVal == "" { // its value is the next word
			i++
		}
	}
	return words, nil
}

// Nearest suggests what a word was probably meant to be, behind it in a sentence; "": nothing
// is near.
func Nearest(word string, known []string) string {
	if at := spell.Nearest(word, known...); at != "" {
		return fmt.Sprintf(" (did you mean %s?)", at)
	}
	return ""
}

// Shell is words as one writes them in a shell.
func Shell(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = word
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`&;|<>()*?[]#~!{}") {
			out[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
