package main

import (
	"github.com/spf13/pflag"
)

// The groups of the commands, in the order in which help shows them.
const (
	groupRun     = "run a task"
	groupLook    = "look at it"
	groupPrepare = "prepare it"
	groupOperate = "for a cluster"
)

// commands is the command table; help prints it.
func commands() []command {
	return []command{
		{name: "dev", args: "[flags] -- CMD ARG…", group: groupRun, does: "run a task on this machine, with a Consul server",
			more: "It makes what ECS would give: a task metadata endpoint, an address, and the configuration that is missing; then it does what run does.",
			example: `meshtask dev --port 8080 -- ./server --listen 127.0.0.1:8080
meshtask dev --service web --config web.json -- bash    # a shell in the mesh
meshtask dev --server 127.0.0.1:8500 -- ./server    # join a server that runs
meshtask dev --agentless --port 8080 -- ./server    # without a Consul agent
meshtask dev --job --service test -- ./integration-test`,
			run: runDev, takesCommand: true, flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("server", "", "join the Consul server at this `HOST` instead of starting one")
				fs.Bool("agentless", false, "without a Consul agent: the server is asked itself")
				fs.String("service", "", "`NAME` of the service (default: the name of the command)")
				fs.String("port", "", "`PORT` on 127.0.0.1 where the app listens")
				hide(fs, "no-mesh")
			}},
		{name: "run", args: "[flags] [-- CMD ARG…]", group: groupRun, does: "run a task in ECS: Consul agent, Envoy, app",
			more: "It starts them in order, and stops them in order on TERM. Without CMD, the apps are in containers of their own (meshtask app). Flags win over MESHTASK_ variables of the same words, and those over the configuration.",
			example: `meshtask run -- /bin/server --listen 127.0.0.1:8080
meshtask run --config web.json --stop-timeout 60s -- /bin/server
meshtask run --job --max-run-time 10m -- /bin/migrate
meshtask run --no-mesh -- /bin/server    # as a plain init, without Consul and Envoy`,
			run: runTask, takesCommand: true, flags: runFlags},
		{name: "app", args: "[flags] -- CMD ARG…", group: groupRun, does: "run an app in a container of its own, beside run",
			more: "The app starts when the mesh is up, and is stopped when inbound traffic is drained.",
			example: `meshtask app -- /bin/server --listen 127.0.0.1:8080
meshtask app --mesh 127.0.0.1:9902 --wait 2m -- /bin/server`,
			run: runApp, takesCommand: true, flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("mesh", "", "`ADDR` of the mesh container (127.0.0.1:9902)")
				fs.String("wait", "", "how long to wait for the mesh (5m), as a `DURATION`; then exit 204")
				hide(fs, "retry-join", "no-drain", "no-mesh", "job", "max-run-time")
			}},
		{name: "status", args: "[--dir DIR] [--json] [--metrics] [--watch]", group: groupLook, does: "show how a running task is, and why",
			more: "Without --dir it finds the task that runs here, dev's too, and lists them if there are several. The shape of --json: meshtask config schema --of status.",
			example: `meshtask status
meshtask status --watch
meshtask status --json | jq .why
meshtask status --metrics | grep resident_memory`,
			run: runStatus, flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				jsonFlag(fs)
				fs.Bool("metrics", false, "print the metrics instead, Envoy's and the agent's too, as Prometheus reads them")
				fs.Bool("watch", false, "show it again when it changes, until the task ends")
			}},
		{name: "why", args: "[--dir DIR] [--json] [LOG|-]", group: groupLook, does: "show what is wrong, or why it ended, and the fix",
			more: "Of a task that is gone, it reads the record in its directory, or its log.",
			example: `meshtask why
meshtask why task.log
aws logs tail /ecs/web | meshtask why -`,
			run: runWhy, flags: func(fs *pflag.FlagSet) { dirFlag(fs); jsonFlag(fs) }},
		{name: "timeline", args: "[--dir DIR] [--json] [--svg FILE] [LOG|-]", group: groupLook, does: "print or draw how long each step took",
			example: `meshtask timeline
meshtask timeline --svg life.svg
meshtask timeline --svg life.svg task.log`,
			run: runTimeline, flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				jsonFlag(fs)
				fs.String("svg", "", "draw into this SVG `FILE`")
			}},
		{name: "health", args: "[--dir DIR]", group: groupLook, does: "exit 0 if the task is healthy, else say why",
			more:    "It is the health check of the container: \"healthCheck\": {\"command\": [\"CMD\", \"meshtask\", \"health\"]}",
			example: `meshtask health && echo up`,
			run:     runHealth, flags: dirFlag},
		{name: "probe", args: "[--timeout DURATION] URL", group: groupLook, does: "exit 0 if an app answers, else say why",
			more: "A health check for images without a shell or curl; http:// (200 to 399), https://, tcp:// or grpc:// (grpc.health.v1): \"healthCheck\": {\"command\": [\"CMD\", \"/mesh/meshtask\", \"probe\", \"http://127.0.0.1:8080/health\"]}",
			example: `meshtask probe http://127.0.0.1:8080/health
meshtask probe tcp://127.0.0.1:5432
meshtask probe --timeout 1s grpc://127.0.0.1:9000/shop.Cart`,
			run: runProbe, flags: probeFlags},
		{name: "plan", args: "[flags] [-- CMD ARG…]", group: groupPrepare, does: "show what would run, and how a stop is budgeted",
			example: `meshtask plan --config web.json -- /bin/server
meshtask plan --config web.json --stop-timeout 60s --json -- /bin/server`,
			run: runPlan, takesCommand: true, flags: func(fs *pflag.FlagSet) { runFlags(fs); jsonFlag(fs) }},
		{name: "config", words: []string{"check", "schema", "docs"}, args: "check|schema|docs [--config FILE] [-- CMD ARG…]", group: groupPrepare, does: "check a configuration, list its fields",
			more: "check reports everything that is wrong at once; schema prints the JSON Schema, of the configuration or, with --of, of what meshtask writes; docs lists every field.",
			example: `meshtask config check --config web.json
meshtask config docs
meshtask config docs --codes    # of why, with exit code, cause and fix
meshtask config schema --of status`,
			run: runConfig, flags: func(fs *pflag.FlagSet) {
				configFlags(fs)
				fs.Bool("codes", false, "docs: list the codes of why instead, with exit code, cause and fix")
				fs.Bool("markdown", false, "docs: print tables in Markdown, as where the output is no terminal")
				fs.String("of", "", "schema: of `WHAT`: status, why, summary, timeline or log")
			}},
		{name: "taskdef", words: []string{"convert", "render"}, args: "convert FILE|render [flags]", group: groupPrepare, does: "convert a task definition, or create one",
			example: `meshtask taskdef convert task.json > meshtask.json
meshtask taskdef convert --diff task.json
meshtask taskdef convert --inject --image-config web=inspect.json task.json
meshtask taskdef render --name web --image shop/web:7 --port 8080 --retry-join 10.0.3.7 --health http://127.0.0.1:8080/health`,
			run: runTaskdef, flags: taskdefFlags},
		{name: "install", args: "DIR", group: groupPrepare, does: "copy this program where app containers find it",
			more:    "So the images of apps stay as they are: an init container puts meshtask into a volume that they share.",
			example: `meshtask install /mesh`,
			run:     runInstall, flags: func(*pflag.FlagSet) {}},
		{name: "version", args: "[--check]", group: groupPrepare, does: "print the version; check consul and envoy",
			example: `meshtask version --check`,
			run:     runVersion, flags: func(fs *pflag.FlagSet) { fs.Bool("check", false, "check the consul and envoy on PATH too") }},
		{name: "acl-controller", args: "[flags]", group: groupOperate, does: "manage the Consul ACL tokens of its tasks",
			example: `meshtask acl-controller --secret-name-prefix shop --consul-client-secret-arn ARN
meshtask acl-controller --secret-name-prefix shop --consul-client-secret-arn ARN --dry-run`,
			run: runController, flags: controllerFlags},
	}
}

// runFlags are the flags of run, by CONTRACT §1. Values are checked with the
// configuration, so that everything wrong is reported at once: exit 200, not 2.
func runFlags(fs *pflag.FlagSet) {
	configFlags(fs)
	dirFlag(fs)
	fs.String("retry-join", "", "addresses of Consul servers: `A,B`")
	fs.String("stop-timeout", "", "stopTimeout of this container in ECS (30s), as a `DURATION`")
	fs.String("log-level", "", "`LEVEL`: trace, debug, info, warn or error")
	fs.String("log-format", "", "`FORMAT`: text or json")
	fs.String("signal", "", "`WHO` gets the stop signal: group, all of the app's processes, or leader (group)")
	fs.String("stop-signal", "", "stop signal for the app, by its `NAME` (default: the signal received)")
	fs.String("max-run-time", "", "end the task after this `DURATION` with exit 209")
	fs.Bool("no-drain", false, "stop without propagation wait and drain")
	fs.Bool("no-mesh", false, "run as a plain init, without Consul and Envoy")
	fs.Bool("job", false, "run to completion, with outbound mesh traffic only")
}

func configFlags(fs *pflag.FlagSet) { fs.String("config", "", "configuration `FILE`") }

func dirFlag(fs *pflag.FlagSet) { fs.String("dir", "", "state directory `DIR`") }

func jsonFlag(fs *pflag.FlagSet) { fs.Bool("json", false, "print JSON") }

// hide leaves flags out of the help of a command that takes them and has no use for them.
func hide(fs *pflag.FlagSet, names ...string) {
	for _, name := range names {
		if f := fs.Lookup(name); f != nil {
			f.Hidden = true
		}
	}
}
