package main

import (
	"github.com/spf13/pflag"
)

// commands is the command table; help prints it.
func commands() []command {
	return []command{
		{name: "run", args: "[flags] [-- CMD ARG…]", does: "start the Consul agent, Envoy and the app in order, and stop them in order",
			run: runTask, flags: runFlags},
		{name: "acl-controller", args: "[flags]", does: "manage Consul ACL tokens for the mesh tasks of an ECS cluster",
			run: runController, flags: controllerFlags},
		{name: "app", args: "[flags] -- CMD ARG…", does: "entrypoint of an app in a container of its own: start when the mesh is up, stop when inbound traffic is drained",
			run: runApp, flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("mesh", "", "address of the mesh container (127.0.0.1:9902)")
				fs.String("wait", "", "how long to wait for the mesh (5m), then exit 204")
			}},
		{name: "dev", args: "[flags] -- CMD ARG…", does: "run on a laptop or in CI, with a Consul server, a task metadata endpoint and defaults",
			run: runDev, flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("server", "", "join this Consul server instead of starting one")
				fs.String("service", "", "name of the service (default: the name of the command)")
				fs.String("port", "", "port on 127.0.0.1 where the app listens")
			}},
		{name: "health", args: "[--dir DIR]", does: "exit 0 if the task is up and its app is healthy, else print why and exit 1",
			run: runHealth, flags: dirFlag},
		{name: "status", args: "[--dir DIR] [--json]", does: "print the state of every unit of a running task",
			run: runStatus, flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				fs.Bool("json", false, "as JSON")
				fs.Bool("watch", false, "go on until the task ends")
			}},
		{name: "timeline", args: "[--dir DIR] [--json] [--svg FILE] [LOG|-]", does: "print or draw the measured times T0 to T4",
			run: runTimeline, flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				fs.Bool("json", false, "as JSON")
				fs.String("svg", "", "draw into this SVG file")
			}},
		{name: "why", args: "[--dir DIR] [--json] [LOG|-]", does: "print what is wrong with a task, or why it ended, and how to fix it",
			run: runWhy, flags: func(fs *pflag.FlagSet) { dirFlag(fs); fs.Bool("json", false, "as JSON") }},
		{name: "plan", args: "[flags] [-- CMD ARG…]", does: "print what would run, and how the stop budget is spent",
			run: runPlan, flags: func(fs *pflag.FlagSet) { runFlags(fs); fs.Bool("json", false, "as JSON") }},
		{name: "taskdef", words: []string{"convert", "render"}, args: "convert FILE|render [flags]", does: "convert a task definition to meshtask, or create a new one",
			run: runTaskdef, flags: taskdefFlags},
		{name: "config", words: []string{"check", "schema", "docs"}, args: "check|schema|docs [--config FILE] [--codes] [-- CMD ARG…]", does: "check a configuration, or print the JSON Schema or the table of fields",
			run: runConfig, flags: func(fs *pflag.FlagSet) {
				configFlags(fs)
				fs.Bool("codes", false, "of docs: the codes of `meshtask why` instead, with exit code, cause and fix")
			}},
		{name: "install", args: "DIR", does: "copy this program into a directory that app containers share, so that their images stay as they are",
			run: runInstall, flags: func(*pflag.FlagSet) {}},
		{name: "version", args: "[--check]", does: "print the version; with --check also those of consul and envoy, and whether they fit",
			run: runVersion, flags: func(fs *pflag.FlagSet) { fs.Bool("check", false, "check the consul and envoy on PATH too") }},
	}
}

// runFlags are the flags of run, by CONTRACT §1. Values are checked with the
// configuration, so that everything wrong is reported at once: exit 200, not 2.
func runFlags(fs *pflag.FlagSet) {
	configFlags(fs)
	dirFlag(fs)
	fs.String("retry-join", "", "addresses of Consul servers, separated by commas")
	fs.String("stop-timeout", "", "stopTimeout of this container in ECS (30s)")
	fs.String("log-level", "", "trace, debug, info, warn or error")
	fs.String("log-format", "", "text or json")
	fs.String("signal", "", "who gets the stop signal: the process group or its leader (group)")
	fs.String("stop-signal", "", "stop signal for the app (default: the signal received)")
	fs.String("max-run-time", "", "end the task after this time with exit 209")
	fs.Bool("no-drain", false, "stop without propagation wait and drain")
	fs.Bool("no-mesh", false, "run as a plain init, without Consul and Envoy")
	fs.Bool("job", false, "run to completion, with outbound mesh traffic only")
}

func configFlags(fs *pflag.FlagSet) { fs.String("config", "", "configuration file") }

func dirFlag(fs *pflag.FlagSet) { fs.String("dir", "", "state directory") }
