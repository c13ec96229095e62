package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshtask/internal/spell"
)

// unknown answers a line whose first word is no command of ours.
func (w *world) unknown(root *cobra.Command, words []string) string {
	var known []string
	for _, c := range root.Commands() {
		known = append(known, c.Name())
	}
	line := shellWords(words)
	switch near := spell.Nearest(words[0], known...); {
	case slices.Contains(w.args, "--") && w.args[0] == "--":
		return "a command is needed before --: meshtask run -- " + line + " (on this machine: meshtask dev -- " + line + ")"
	case strings.Contains(words[0], "/"):
		return "unknown command " + quote(words[0]) + "; to run it in a task: meshtask run -- " + line + " (on this machine: meshtask dev -- " + line + ")"
	case near != "":
		return "unknown command " + quote(words[0]) + " (did you mean " + near + "?)"
	}
	if w.args[0] == "help" {
		return "unknown command " + quote(words[0]) + "; `meshtask help` lists them"
	}
	return "unknown command " + quote(words[0]) + "; `meshtask help` lists them, and a program goes after --: meshtask run -- " + line
}

// misplaced refuses a line whose command is not where it belongs, with the line that was
// probably meant; 0: it is where it belongs.
func (w *world) misplaced(c command, line call) int {
	switch {
	case !c.takesCommand:
		return 0
	case len(line.rest) > 0 && slices.Contains(line.rest, "--"):
		return w.fail(exitUsage, "%s: unexpected argument %q before -- (the command goes after --)", c.name, line.rest[0])
	case len(line.rest) > 0:
		return w.fail(exitUsage, "%s: unexpected argument %q (the command goes after --): meshtask %s", c.name, line.rest[0],
			shellWords(slices.Concat([]string{c.name}, w.given(line), []string{"--"}, line.rest)))
	case len(line.cmd) > 0 && strings.HasPrefix(line.cmd[0], "-"):
		flags, command := split(line.fs, line.cmd)
		if len(command) == 0 {
			command = []string{"CMD"}
		}
		return w.fail(exitUsage, "%s: %s after -- would be the command (flags go before --): meshtask %s", c.name, line.cmd[0],
			shellWords(slices.Concat([]string{c.name}, w.given(line), flags, []string{"--"}, command)))
	}
	return 0
}

// given are the words of the line before its first argument or --, behind the command's name.
func (w *world) given(line call) []string {
	behind := len(line.rest) + len(line.cmd)
	if line.hasDash {
		behind++
	}
	return w.args[1:max(1, len(w.args)-behind)]
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

// shellWords are words as one writes them in a shell.
func shellWords(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = word
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`&;|<>()*?[]#~!{}") {
			out[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

func quote(word string) string { return `"` + word + `"` }
