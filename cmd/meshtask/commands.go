package main

import (
	"github.com/spf13/pflag"

	"meshtask/internal/commandline"
)

// The groups of the commands, in the order in which help shows them.
const (
	groupRun     = "run a task"
	groupLook    = "look at it"
	groupPrepare = "prepare it"
	groupOperate = "for a cluster"
)

// commands is the command table; help prints it.
func (w *world) commands() []commandline.Command {
	return []commandline.Command{
		{Name: "dev", Args: "[flags] -- CMD ARG…", Group: groupRun, Does: "run a task on this machine, with a Consul server",
			More: "It makes what ECS would give: a task metadata endpoint, an address, and the configuration that is missing; then it does what run does.",
			Example: `meshtask dev --port 8080 -- ./server --listen 127.0.0.1:8080
meshtask dev --service web --config web.json -- bash    # a shell in the mesh
meshtask dev --server 127.0.0.1:8500 -- ./server    # join a server that runs
meshtask dev --agentless --port 8080 -- ./server    # without a Consul agent
meshtask dev --job --service test -- ./integration-test`,
			Run: w.runs(runDev), TakesCommand: true, Flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("server", "", "join the Consul server at this `HOST` instead of starting one")
				fs.Bool("agentless", false, "without a Consul agent: the server is asked itself")
				fs.String("service", "", "`NAME` of the service (default: the name of the command)")
				fs.String("port", "", "`PORT` on 127.0.0.1 where the app listens")
				hide(fs, "no-mesh")
			}},
		{Name: "run", Args: "[flags] [-- CMD ARG…]", Group: groupRun, Does: "run a task in ECS: Consul agent, Envoy, app",
			More: "It starts them in order, and stops them in order on TERM. Without CMD, the apps are in containers of their own (meshtask app). Flags win over MESHTASK_ variables of the same words, and those over the configuration.",
			Example: `meshtask run -- /bin/server --listen 127.0.0.1:8080
meshtask run --config web.json --stop-timeout 60s -- /bin/server
meshtask run --job --max-run-time 10m -- /bin/migrate
meshtask run --no-mesh -- /bin/server    # as a plain init, without Consul and Envoy`,
			Run: w.runs(runTask), TakesCommand: true, Flags: runFlags},
		{Name: "app", Args: "[flags] -- CMD ARG…", Group: groupRun, Does: "run an app in a container of its own, beside run",
			More: "The app starts when the mesh is up, and is stopped when inbound traffic is drained.",
			Example: `meshtask app -- /bin/server --listen 127.0.0.1:8080
meshtask app --mesh 127.0.0.1:9902 --wait 2m -- /bin/server`,
			Run: w.runs(runApp), TakesCommand: true, Flags: func(fs *pflag.FlagSet) {
				runFlags(fs)
				fs.String("mesh", "", "`ADDR` of the mesh container (127.0.0.1:9902)")
				fs.String("wait", "", "how long to wait for the mesh (5m), as a `DURATION`; then exit 204")
				hide(fs, "retry-join", "no-drain", "no-mesh", "job", "max-run-time")
			}},
		{Name: "status", Args: "[--dir DIR] [--json] [--metrics] [--watch]", Group: groupLook, Does: "show how a running task is, and why",
			More: "Without --dir it finds the task that runs here, dev's too, and lists them if there are several. The shape of --json: meshtask config schema --of status.",
			Example: `meshtask status
meshtask status --watch
meshtask status --json | jq .why
meshtask status --metrics | grep resident_memory`,
			Run: w.runs(runStatus), Flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				jsonFlag(fs)
				fs.Bool("metrics", false, "print the metrics instead, Envoy's and the agent's too, as Prometheus reads them")
				fs.Bool("watch", false, "show it again when it changes, until the task ends")
			}},
		{Name: "why", Args: "[--dir DIR] [--json] [LOG|-]", Group: groupLook, Does: "show what is wrong, or why it ended, and the fix",
			More: "Of a task that is gone, it reads the record in its directory, or its log.",
			Example: `meshtask why
meshtask why task.log
aws logs tail /ecs/web | meshtask why -`,
			Run: w.runs(runWhy), Flags: func(fs *pflag.FlagSet) { dirFlag(fs); jsonFlag(fs) }},
		{Name: "timeline", Args: "[--dir DIR] [--json] [--svg FILE] [LOG|-]", Group: groupLook, Does: "print or draw how long each step took",
			Example: `meshtask timeline
meshtask timeline --svg life.svg
meshtask timeline --svg life.svg task.log`,
			Run: w.runs(runTimeline), Flags: func(fs *pflag.FlagSet) {
				dirFlag(fs)
				jsonFlag(fs)
				fs.String("svg", "", "draw into this SVG `FILE`")
			}},
		{Name: "health", Args: "[--dir DIR]", Group: groupLook, Does: "exit 0 if the task is healthy, else say why",
			More:    "It is the health check of the container: \"healthCheck\": {\"command\": [\"CMD\", \"meshtask\", \"health\"]}",
			Example: `meshtask health && echo up`,
			Run:     w.runs(runHealth), Flags: dirFlag},
		{Name: "probe", Args: "[--timeout DURATION] URL", Group: groupLook, Does: "exit 0 if an app answers, else say why",
			More: "A health check for images without a shell or curl; http:// (200 to 399), https://, tcp:// or grpc:// (grpc.health.v1): \"healthCheck\": {\"command\": [\"CMD\", \"/mesh/meshtask\", \"probe\", \"http://127.0.0.1:8080/health\"]}",
			Example: `meshtask probe http://127.0.0.1:8080/health
meshtask probe tcp://127.0.0.1:5432
meshtask probe --timeout 1s grpc://127.0.0.1:9000/shop.Cart`,
			Run: w.runs(runProbe), Flags: probeFlags},
		{Name: "plan", Args: "[flags] [-- CMD ARG…]", Group: groupPrepare, Does: "show what would run, and how a stop is budgeted",
			Example: `meshtask plan --config web.json -- /bin/server
meshtask plan --config web.json --stop-timeout 60s --json -- /bin/server`,
			Run: w.runs(runPlan), TakesCommand: true, Flags: func(fs *pflag.FlagSet) { runFlags(fs); jsonFlag(fs) }},
		{Name: "config", Words: []string{"check", "schema", "docs"}, Args: "check|schema|docs [--config FILE] [-- CMD ARG…]", Group: groupPrepare, Does: "check a configuration, list its fields",
			More: "check reports everything that is wrong at once; schema prints the JSON Schema, of the configuration or, with --of, of what meshtask writes; docs lists every field.",
			Example: `meshtask config check --config web.json
meshtask config docs
meshtask config docs --codes    # of why, with exit code, cause and fix
meshtask config schema --of status`,
			Run: w.runs(runConfig), Flags: func(fs *pflag.FlagSet) {
				configFlags(fs)
				fs.Bool("codes", false, "docs: list the codes of why instead, with exit code, cause and fix")
				fs.Bool("markdown", false, "docs: print tables in Markdown, as where the output is no terminal")
				fs.String("of", "", "schema: of `WHAT`: status, why, summary, timeline or log")
			}},
		{Name: "taskdef", Words: []string{"convert", "render"}, Args: "convert FILE|render [flags]", Group: groupPrepare, Does: "convert a task definition, or create one",
			Example: `meshtask taskdef convert task.json > meshtask.json
meshtask taskdef convert --diff task.json
meshtask taskdef convert --inject --image-config web=inspect.json task.json
meshtask taskdef render --name web --image shop/web:7 --port 8080 --retry-join 10.0.3.7 --health http://127.0.0.1:8080/health`,
			Run: w.runs(runTaskdef), Flags: taskdefFlags},
		{Name: "install", Args: "DIR", Group: groupPrepare, Does: "copy this program where app containers find it",
			More:    "So the images of apps stay as they are: an init container puts meshtask into a volume that they share.",
			Example: `meshtask install /mesh`,
			Run:     w.runs(runInstall), Flags: func(*pflag.FlagSet) {}},
		{Name: "version", Args: "[--check]", Group: groupPrepare, Does: "print the version; check consul and envoy",
			Example: `meshtask version --check`,
			Run:     w.runs(runVersion), Flags: func(fs *pflag.FlagSet) { fs.Bool("check", false, "check the consul and envoy on PATH too") }},
		{Name: "acl-controller", Args: "[flags]", Group: groupOperate, Does: "manage the Consul ACL tokens of its tasks",
			Example: `meshtask acl-controller --secret-name-prefix shop --consul-client-secret-arn ARN
meshtask acl-controller --secret-name-prefix shop --consul-client-secret-arn ARN --dry-run`,
			Run: w.runs(runController), Flags: controllerFlags},
		{Name: "man", Args: "DIR", Does: "write the man pages into a directory", Run: w.runs(runMan)},
	}
}

// runs makes of one of our commands what the table takes.
func (w *world) runs(command func(*world, call) int) func(commandline.Call) int {
	return func(c commandline.Call) int { return command(w, call{Call: c}) }
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
