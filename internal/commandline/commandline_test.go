package commandline

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// program is one with a command that takes a CMD and one that does not; got is what ran.
func program(args ...string) (p *Program, got *Call) {
	got = &Call{}
	run := func(c Call) int { *got = c; return 7 }
	flags := func(fs *pflag.FlagSet) { fs.String("port", "", "`PORT`"); fs.Bool("fast", false, "") }
	return &Program{
		Name: "prog", Runs: "prog run --", RunsHere: "prog try --", VersionLine: func() string { return "prog 1\n" }, End: "the end\n",
		Commands: []Command{
			{Name: "run", Group: "g", TakesCommand: true, Flags: flags, Run: run},
			{Name: "show", Group: "g", Words: []string{"all"}, Flags: flags, Run: run},
			{Name: "man", Run: run},
		},
		Args: args, In: strings.NewReader(""), Out: io.Discard, Err: io.Discard,
	}, got
}

func TestALineThatIsUnderstood(t *testing.T) {
	for line, want := range map[string]Call{
		"run --fast --port 80 -- app --port 1": {Set: map[string]string{"fast": "true", "port": "80"}, Cmd: []string{"app", "--port", "1"}, HasDash: true},
		"run --fast=false":                     {Set: map[string]string{"fast": "false"}},
		"show all --port 80":                   {Set: map[string]string{"port": "80"}, Rest: []string{"all"}},
	} {
		p, got := program(strings.Fields(line)...)
		code, wrong := p.Run()
		if code != 7 || wrong != nil || !maps.Equal(got.Set, want.Set) || !slices.Equal(got.Rest, want.Rest) || !slices.Equal(got.Cmd, want.Cmd) || got.HasDash != want.HasDash {
			t.Errorf("%s: %d, %v, %+v", line, code, wrong, got)
		}
		if got.On("fast") != (want.Set["fast"] == "true") {
			t.Errorf("%s: --fast is read as %v", line, got.On("fast"))
		}
	}
}

// What was not understood runs nothing, and is answered with what was probably meant.
func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"":                          "",
		"rnu":                       `unknown command "rnu" (did you mean run?)`,
		"xyzzy 'x":                  "unknown command \"xyzzy\"; `prog help` lists them, and a program goes after --: prog run -- xyzzy ''\\''x'",
		"./app -x":                  `unknown command "./app"; to run it in a task: prog run -- ./app -x (on this machine: prog try -- ./app -x)`,
		"-- app":                    `a command is needed before --: prog run -- app (on this machine: prog try -- app)`,
		"help xyzzy":                "unknown command \"xyzzy\"; `prog help` lists them",
		"run --fats -- x":           "run: unknown flag --fats (did you mean --fast?)",
		"run -x":                    "run: unknown flag -x",
		"run --port":                "run: --port: a value is needed: --port PORT",
		"run --fast app -x":         `run: unexpected argument "app" (the command goes after --): prog run --fast -- app -x`,
		"run app -- x":              `run: unexpected argument "app" before -- (the command goes after --)`,
		"run --fast -- --port 80 a": `run: --port after -- would be the command (flags go before --): prog run --fast --port 80 -- a`,
		"run -- --fast":             `run: --fast after -- would be the command (flags go before --): prog run --fast -- CMD`,
		"run --fast=maybe -- x":     `run: --fast: must be true or false, got "maybe"`,
	} {
		p, got := program(strings.Fields(line)...)
		_, m := p.Run()
		if m == nil || m.Error() != want || m.Value != strings.Contains(line, "maybe") || got.Set != nil {
			t.Errorf("%q: %v, ran %v; want %s", line, m, got.Set, want)
		}
	}
}

func TestPages(t *testing.T) {
	p, _ := program()
	p.Version = "1"
	got := slices.Sorted(maps.Keys(p.Pages()))
	if want := []string{"prog-man.1", "prog-run.1", "prog-show.1", "prog.1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
