package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"meshtask/internal/commandline"
	"meshtask/internal/config"
	"meshtask/internal/printable"
	"meshtask/internal/taskdef"
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
	o, err := taskdefOptions(w, c)
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
		r, err = render(c, o)
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

func taskdefOptions(w *world, c call) (taskdef.Options, error) {
	o := taskdef.Options{Layout: c.Set["layout"], Apps: words(c.Set["app"]), RetryJoin: words(c.Set["retry-join"]), Job: c.On("job"),
		Name: c.Set["name"], Binary: c.Set["binary"], MeshImage: c.Set["mesh-image"], Inject: c.On("inject")}
	var err error
	if file := c.Set["config"]; file != "" {
		if o.Config, err = w.readFile(file, config.MaxDocument); err != nil {
			return o, fmt.Errorf("--config: %w", err)
		}
	}
	if o.Port, err = whole(c, "port"); err != nil {
		return o, err
	}
	if o.Entrypoints, err = byContainer(c, "image-entrypoint", o.Apps); err != nil {
		return o, err
	}
	if o.Cmds, err = byContainer(c, "image-cmd", o.Apps); err != nil {
		return o, err
	}
	o.Images, err = images(w, c)
	return o, err
}

// images reads the files of --image-config.
func images(w *world, c call) (map[string]taskdef.Image, error) {
	out := map[string]taskdef.Image{}
	for _, word := range words(c.Set["image-config"]) {
		container, file, ok := strings.Cut(word, "=")
		if !ok {
			container, file = taskdef.OnlyApp, word
		}
		if _, twice := out[container]; twice {
			return nil, fmt.Errorf("--image-config: %s is the second file for one container: name each container once, as in web=%s", file, file)
		}
		text, err := w.readFile(file, config.MaxDocument)
		if err != nil {
			return nil, fmt.Errorf("--image-config: %w", err)
		}
		if out[container], err = taskdef.ReadImage(text); err != nil {
			return nil, fmt.Errorf("--image-config: %s: %w", file, err)
		}
	}
	return out, nil
}

// byContainer reads a flag of words by container.
func byContainer(c call, name string, apps []string) (map[string][]string, error) {
	text, ok := c.Set[name]
	if !ok {
		return nil, nil
	}
	by, err := taskdef.ByContainer(text, apps)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	return by, nil
}

func render(c call, o taskdef.Options) (*taskdef.Result, error) {
	d := taskdef.Description{Name: c.Set["name"], Image: c.Set["image"], Port: o.Port, Command: c.Cmd,
		Health: c.Set["health"], Arch: c.Set["arch"], LogGroup: c.Set["log-group"], Region: c.Set["region"],
		TaskRole: c.Set["task-role"], ExecutionRole: c.Set["execution-role"]}
	o.Name = ""
	if len(d.Command) == 0 {
		d.Command = taskdef.Command(c.Set["command"])
	}
	var err error
	if d.CPU, err = whole(c, "cpu"); err != nil {
		return nil, err
	}
	if d.Memory, err = whole(c, "memory"); err != nil {
		return nil, err
	}
	if kind, ok := c.Set["gateway"]; ok {
		return taskdef.RenderGateway(kind, d, o)
	}
	return taskdef.Render(d, o)
}

// whole reads a number above 0; an absent flag is 0.
func whole(c call, name string) (int, error) {
	text, ok := c.Set[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--%s: want a number above 0, got %q", name, text)
	}
	return n, nil
}

// words splits at commas.
func words(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
