package taskdef

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshtask/internal/jsontree"
)

// Description is the minimum that makes a task definition.
type Description struct {
	Name          string   // family, container and service; required
	Image         string   // required
	Port          int      // where the app listens; 0: nothing is routed to it
	Command       []string // the whole command; empty: that of the image, which then must be known
	CPU, Memory   int      // CPU units and MiB, a pair that Fargate has; 0: 256 and the least for it
	Health        string   // http://, https://, tcp:// or grpc://, which meshtask asks, or a shell line; empty: none
	Arch          string   // x86_64, amd64 or arm64; empty: x86_64
	LogGroup      string   // of CloudWatch; empty: no logConfiguration
	Region        string   // of LogGroup
	TaskRole      string   // ARN; empty: none
	ExecutionRole string   // ARN; empty: none
}

const arm = "arm64"

// Render makes a Fargate task definition of a description, by way of the plain
// one. Result.Old is that.
func Render(d Description, o Options) (*Result, error) {
	if err := d.complete(); err != nil {
		return nil, err
	}
	app := jsontree.New("name", d.Name, "image", d.Image, "essential", true)
	if len(d.Command) > 0 {
		app.Set("command", jsontree.Texts(d.Command))
		o.Entrypoints = maps.Clone(o.Entrypoints)
		if o.Entrypoints == nil {
			o.Entrypoints = map[string][]string{}
		}
		o.Entrypoints[d.Name] = nil // the command is whole
	}
	if d.Health != "" {
		if err := health(d.Health, app, &o); err != nil {
			return nil, err
		}
	}
	d.reach(app, d.Port)
	o.fresh = true
	return Convert(jsontree.Pretty(d.task(app), "image"), o)
}

// complete checks a description and sets its defaults.
func (d *Description) complete() error {
	if d.Name == "" || d.Image == "" {
		return errors.New("--name and --image are needed")
	}
	if d.LogGroup != "" && d.Region == "" {
		return errors.New("--log-group needs --region")
	}
	if !slices.Contains([]string{"", "x86_64", "amd64", arm}, d.Arch) {
		return fmt.Errorf("--arch: want x86_64 or arm64, got %q", d.Arch)
	}
	d.CPU = cmp.Or(d.CPU, 256)
	d.Memory = cmp.Or(d.Memory, 2*d.CPU)
	return Fargate(d.CPU, d.Memory)
}

// reach gives a container its log and, unless it is 0, its port.
func (d Description) reach(container *jsontree.Object, port int) {
	if d.LogGroup != "" {
		container.Set("logConfiguration", jsontree.New("logDriver", "awslogs",
			"options", jsontree.New("awslogs-group", d.LogGroup, "awslogs-region", d.Region, "awslogs-stream-prefix", d.Name)))
	}
	if port != 0 {
		container.Set("portMappings", []any{jsontree.New("containerPort", jsontree.Number(port), "protocol", "tcp")})
	}
}

// task is the task definition of one container.
func (d Description) task(container *jsontree.Object) *jsontree.Object {
	arch := "X86_64"
	if d.Arch == arm {
		arch = "ARM64"
	}
	def := jsontree.New("family", d.Name, "networkMode", "awsvpc", "requiresCompatibilities", jsontree.Texts([]string{"FARGATE"}),
		"cpu", fmt.Sprint(d.CPU), "memory", fmt.Sprint(d.Memory),
		"runtimePlatform", jsontree.New("cpuArchitecture", arch, "operatingSystemFamily", "LINUX"))
	if d.TaskRole != "" {
		def.Set("taskRoleArn", d.TaskRole)
	}
	if d.ExecutionRole != "" {
		def.Set("executionRoleArn", d.ExecutionRole)
	}
	def.Set("containerDefinitions", []any{container})
	return def
}

// scheme takes an address apart; what does not begin with one is a line for the shell.
func scheme(said string) (name, address string, ok bool) {
	name, address, ok = strings.Cut(said, "://")
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
	return strings.ToLower(name), address, ok && name != "" && !strings.ContainsFunc(name, other)
}

// health gives the app its check: an address goes into the configuration, for meshtask to ask
// (in layout siblings by a probe in the app's container); a line is ECS's, in the container.
func health(said string, app *jsontree.Object, o *Options) error {
	if o.configHas("health", "app") {
		return errors.New("--health: --config has health.app already; give one of them")
	}
	question, address, ok := scheme(said)
	if !ok {
		app.Set("healthCheck", jsontree.New("command", jsontree.Texts([]string{"CMD-SHELL", said})))
		return nil
	}
	switch question {
	case "http", "https":
		question, address = "http", said
	case "tcp", "grpc":
	default:
		return fmt.Errorf("--health: want http://, https://, tcp:// or grpc:// and an address, or a command, got %q", said)
	}
	if strings.ContainsAny(said, " \t\n") {
		return fmt.Errorf("--health: an address has no spaces, got %q", said)
	}
	config, err := o.own()
	if err != nil {
		return err
	}
	config.Sub("health").Set("app", jsontree.New(question, address))
	o.Config = []byte(jsontree.Compact(config))
	return nil
}

// Fargate says what is wrong with a pair of CPU units and MiB of memory, by
// Fargate's table; nil: nothing.
func Fargate(cpu, memory int) error {
	const gib = 1024
	rows := map[int]struct{ min, max, step int }{
		512: {gib, 4 * gib, gib}, 1024: {2 * gib, 8 * gib, gib}, 2048: {4 * gib, 16 * gib, gib}, 4096: {8 * gib, 30 * gib, gib},
		8192: {16 * gib, 60 * gib, 4 * gib}, 16384: {32 * gib, 120 * gib, 8 * gib},
	}
	if cpu == 256 {
		if memory == gib/2 || memory == gib || memory == 2*gib {
			return nil
		}
		return fmt.Errorf("memory %d does not go with cpu 256 on Fargate: 512, 1024 or 2048", memory)
	}
	r, ok := rows[cpu]
	if !ok {
		return fmt.Errorf("cpu %d is none of Fargate's: 256, 512, 1024, 2048, 4096, 8192, 16384", cpu)
	}
	if memory < r.min || memory > r.max || memory%r.step != 0 {
		return fmt.Errorf("memory %d does not go with cpu %d on Fargate: %d to %d in steps of %d", memory, cpu, r.min, r.max, r.step)
	}
	return nil
}
