package main

import (
	"github.com/spf13/pflag"
)

// commands is the command table; help prints it.
func commands() []command {
	return []command{
		{name: "run", args: "[flags] [-- CMD ARG…]", does: "run the task: consul-agent, mesh-init, envoy, health-sync, app, and back",
			run: runTask, flags: runFlags},
		{name: "acl-controller", args: "[flags]", does: "keep Consul ACL tokens for the mesh tasks of an ECS cluster",
			run: runController, flags: controllerFlags},
		{name: "app", args: "[flags] -- CMD ARG…", does: "entrypoint of a sibling app container: start at the mesh's T2, stop when inbound is drained",
			run: runApp, flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("mesh", "", "where the mesh container listens (127.0.0.1:9902)")
				fs.String("wait", "", "how long the mesh may take to be up (5m); then exit 204")
			}},
		{name: "dev", args: "[flags] -- CMD ARG…", does: "run on a laptop or in CI: with a Consul server, metadata endpoint and configuration of its own",
			run: runDev, flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("server", "", "join this Consul server instead of starting one")
				fs.String("service", "", "name of the service (the command's)")
				fs.String("port", "", "where the app listens on 127.0.0.1")
			}},
		{name: "health", args: "[--dir DIR]", does: "exit 0 when the task is up and its app healthy, else 1 and one line why",
			run: runHealth, flags: dirFlag},
		{name: "status", args: "[--dir DIR] [--json]", does: "print the live state of every unit",
			run: runStatus, flags: func(fs *pflag.FlagSet) { dirFlag(fs); fs.Bool("json", false, "as JSON") }},
		{name: "timeline", args: "[--dir DIR] [--json] [--svg FILE] [LOG|-]", does: "print or draw the measured T0–T4",
			run: runTimeline, flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				fs.Bool("json", false, "as JSON")
				fs.String("svg", "", "draw into this file")
			}},
		{name: "why", args: "[--dir DIR] [--json] [LOG|-]", does: "say in a sentence what is wrong with a task, or why it ended, and what mends it",
			run: runWhy, flags: func(fs *pflag.FlagSet) { dirFlag(fs); fs.Bool("json", false, "as JSON") }},
		{name: "plan", args: "[flags] [-- CMD ARG…]", does: "print what would run, with the stop budget spent step by step",
			run: runPlan, flags: func(fs *pflag.FlagSet) { runFlags(fs); fs.Bool("json", false, "as JSON") }},
		{name: "taskdef", words: []string{"convert", "render"}, args: "convert FILE|render [flags]", does: "make a task definition of consul-ecs or a plain one into one for meshtask, or make a new one",
			run: runTaskdef, flags: taskdefFlags},
		{name: "config", words: []string{"check", "schema", "docs"}, args: "check|schema|docs [--config FILE] [-- CMD ARG…]", does: "check a configuration, print its JSON Schema or its field table",
			run: runConfig, flags: configFlags},
		{name: "version", args: "[--check]", does: "print the version; with --check those of consul and envoy, and whether they fit",
			run: runVersion, flags: func(fs *pflag.FlagSet) { fs.Bool("check", false, "look at consul and envoy as well") }},
	}
}

// runFlags are the flags of run, by CONTRACT §1. Values are checked with the
// configuration, so that everything wrong is reported at once: exit 200, not 2.
func runFlags(fs *pflag.FlagSet) {
	configFlags(fs)
	dirFlag(fs)
	fs.String("retry-join", "", "Consul servers to join, separated by commas")
	fs.String("stop-timeout", "", "ECS's stopTimeout of this container (30s)")
	fs.String("log-level", "", "trace, debug, info, warn or error")
	fs.String("log-format", "", "text or json")
	fs.String("signal", "", "who gets the stop signal: group or leader (group)")
	fs.String("stop-signal", "", "the app's stop signal (the one that came)")
	fs.String("max-run-time", "", "end the task after this time, exit 209")
	fs.Bool("no-drain", false, "no propagation wait and no drain")
	fs.Bool("no-mesh", false, "a plain container init: no Consul, no Envoy")
	fs.Bool("job", false, "run to completion: outbound mesh only")
}

func configFlags(fs *pflag.FlagSet) { fs.String("config", "", "configuration file") }

func dirFlag(fs *pflag.FlagSet) { fs.String("dir", "", "state directory") }
