package main

import (
	"cmp"
	"os"
	"path/filepath"

	"meshtask/internal/commandline"
	"meshtask/internal/config"
)

// The exit codes of commands; those of a task come with the cause of its end (CONTRACT §3).
const (
	exitUsage    = 2
	exitConfig   = 200
	exitInternal = 210
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

// call is one line that was understood.
type call struct {
	commandline.Call
	doc []byte // the configuration, where it is not to be read from a file
}

// mode is what the flags of run ask for.
func (c call) mode() config.Mode {
	switch {
	case c.On("no-mesh"):
		return config.NoMesh
	case c.On("job"):
		return config.Job
	}
	return config.Run
}

// flag is a flag that was given, else its variable; "" is neither.
func (w *world) flag(c call, name string) string {
	return cmp.Or(c.Set[name], w.getenv(config.Variable(name)))
}

// source is what gave a flag's value, as messages name it: the flag or its variable.
func (w *world) source(c call, name string) string {
	if c.Set[name] == "" && w.getenv(config.Variable(name)) != "" {
		return config.Variable(name)
	}
	return "--" + name
}

// run is the whole program.
func (w *world) run() int {
	code, wrong := w.program().Run()
	switch {
	case wrong == nil:
		return code
	case wrong.Value:
		return w.fail(exitConfig, "%v", wrong)
	case wrong.Error() == "": // the first screen was printed
		return exitUsage
	}
	return w.fail(exitUsage, "%v", wrong)
}

func (w *world) program() *commandline.Program {
	return &commandline.Program{
		Name: "meshtask", Does: "the single entrypoint of an ECS task in a Consul service mesh",
		Begin: helpBegin, First: helpFirst, End: helpEnd, Runs: "meshtask run --", RunsHere: "meshtask dev --",
		Version: version, VersionLine: versionLine, Commands: w.commands(),
		Args: w.args, In: w.stdin, Out: w.stdout, Err: w.stderr,
	}
}

// runMan is `meshtask man DIR`.
func runMan(w *world, c call) int {
	if len(c.Rest) != 1 || len(c.Cmd) > 0 {
		return w.fail(exitUsage, "man: one directory is needed, which exists: meshtask man DIR")
	}
	for name, text := range w.program().Pages() {
		if err := os.WriteFile(filepath.Join(c.Rest[0], name), []byte(text), 0o644); err != nil {
			return w.fail(exitUsage, "man: cannot write the page: %v", err)
		}
	}
	return 0
}
