package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"meshtask/internal/commandline"
	"meshtask/internal/printable"
	"meshtask/internal/taskdef"
	"meshtask/internal/taskdef/settings"
)

func taskdefFlags(fs *pflag.FlagSet) {
	for _, f := range [][2]string{
		{"layout", "single or siblings (default: single for one app)"},
		{"config", "configuration file whose fields take precedence"},
		{"name", "name of the service, where the definition has none"},
		{"port", "port of the service, where the definition has none"},
		{"binary", "path of meshtask in the images (default: meshtask, on PATH)"},
		{"mesh-image", "image of the mesh container in layout siblings"},
		{"image-entrypoint", `ENTRYPOINT of the app's image: ["/entry.sh"], or {"web":["/entry.sh"],"api":[]}`},
		{"image-cmd", "CMD of the app's image, likewise"},
		{"image", "render: image of the app, or of the gateway"},
		{"gateway", "render: mesh-gateway, terminating-gateway or api-gateway, in place of an app"},
		{"command", `render: the app's whole command, as words or ["a","b c"]`},
		{"cpu", "render: CPU units (256)"},
		{"memory", "render: MiB (default: the smallest for cpu)"},
		{"health", "render: what says that the app is healthy: http://…, https://…, tcp://HOST:PORT or grpc://HOST:PORT, or a shell command"},
		{"log-group", "render: CloudWatch log group, with --region"},
		{"region", "render: AWS Region of the log group"},
		{"arch", "render: x86_64 or arm64 (x86_64)"},
		{"task-role", "render: ARN of the task role"},
		{"execution-role", "render: ARN of the execution role"},
	} {
		fs.String(f[0], "", f[1])
	}
	fs.Var(new(list), "app", "names of the app containers, separated by commas (default: detected)")
	fs.Var(new(list), "retry-join", "addresses of Consul servers, separated by commas")
	fs.Var(new(list), "image-config", "the app's image, as docker inspect or a registry says it: `[CONTAINER=]FILE`, separated by commas or given again for each")
	fs.Bool("job", false, "a task that runs to completion")
	fs.Bool("inject", false, "images stay as they are: a container puts meshtask into a shared volume (siblings)")
	fs.Bool("diff", false, "print a unified diff instead of the definition")
}

// list is a flag whose values stand in one word, separated by commas, or in several that are
// given one after another.
type list string

func (l *list) String() string { return string(*l) }
func (l *list) Type() string   { return "string" }
func (l *list) Set(word string) error {
	if *l != "" {
		word = string(*l) + "," + word
	}
	*l = list(word)
	return nil
}

// runTaskdef is `meshtask taskdef convert FILE` and `taskdef render`: the
// definition goes to standard output, what to know about it to standard error.
func runTaskdef(w *world, c call) int {
	word := ""
	if len(c.Rest) > 0 {
		word = c.Rest[0]
	}
	flags := settings.Flags(c.Set)
	o, err := flags.Options(w.readFile)
	if err != nil {
		return w.fail(exitConfig, "taskdef: %v", err)
	}
	var r *taskdef.Result
	name := c.Set["name"]
	switch {
	case word == "convert" && len(c.Rest) == 2 && !c.HasDash:
		var text []byte
		if name = c.Rest[1]; name == "-" {
			text, err = atMost(w.stdin, taskdef.MaxInput)
		} else {
			text, err = w.readFile(name, taskdef.MaxInput)
		}
		if err == nil {
			r, err = taskdef.Convert(text, o)
		}
	case word == "convert":
		return w.fail(exitUsage, "taskdef convert: one FILE is needed, or - for standard input")
	case word == "render" && len(c.Rest) == 1:
		r, err = render(flags, c.Cmd, o)
	case word == "render":
		return w.fail(exitUsage, "taskdef render: unexpected argument %q", c.Rest[1])
	default:
		return w.fail(exitUsage, "taskdef: want one of convert, render%s", commandline.Nearest(word, []string{"convert", "render"}))
	}
	if err != nil {
		return w.fail(exitConfig, "taskdef %s: %v", word, err)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(w.stderr, printable.Line(f.String()))
	}
	if c.On("diff") {
		return w.print(r.Diff(name))
	}
	return w.print(r.New)
}

func render(flags settings.Flags, command []string, o taskdef.Options) (*taskdef.Result, error) {
	d, err := flags.Description(o, command)
	if err != nil {
		return nil, err
	}
	o.Name = "" // it is the description's
	if kind, ok := flags["gateway"]; ok {
		return taskdef.RenderGateway(kind, d, o)
	}
	return taskdef.Render(d, o)
}
