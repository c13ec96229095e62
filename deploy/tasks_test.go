package deploy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"meshtask/consulagent"
	"meshtask/internal/config"
	"meshtask/internal/plan"
	"meshtask/internal/taskdef"
	"meshtask/internal/testbed/awsfake"

	metadata "meshtask/internal/ecs"
)

var update = flag.Bool("update", false, "write the example task definitions anew")

const (
	registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com/"
	roles    = "arn:aws:iam::123456789012:role/"
)

// describe are the flags that docs and README give to taskdef render.
func describe(name, image string) taskdef.Description {
	return taskdef.Description{Name: name, Image: registry + image, TaskRole: roles + name + "-task", ExecutionRole: roles + name + "-execution",
		LogGroup: "/ecs/shop", Region: "us-east-1"}
}

func examples(t *testing.T) map[string]func() (*taskdef.Result, error) {
	t.Helper()
	return map[string]func() (*taskdef.Result, error){
		"single": func() (*taskdef.Result, error) {
			d := describe("web", "web:1.4")
			d.Port, d.Health, d.Command = 8080, "http://127.0.0.1:8080/health", []string{"/app/server", "--listen", "127.0.0.1:8080"}
			return taskdef.Render(d, taskdef.Options{Config: read(t, "config/single.json")})
		},
		"siblings": func() (*taskdef.Result, error) {
			return taskdef.Convert(read(t, "plain.json"), taskdef.Options{Layout: taskdef.Siblings, MeshImage: registry + "meshtask-mesh:1.0", Config: read(t, "config/siblings.json")})
		},
		"injected": func() (*taskdef.Result, error) {
			image, err := taskdef.ReadImage(read(t, "api-image.json"))
			if err != nil {
				t.Fatal(err)
			}
			return taskdef.Convert(read(t, "api.json"), taskdef.Options{Inject: true, MeshImage: registry + "meshtask-mesh:1.0",
				Images: map[string]taskdef.Image{taskdef.OnlyApp: image}, Config: read(t, "config/injected.json")})
		},
		"gateway": func() (*taskdef.Result, error) {
			d := describe("edge", "meshtask-mesh:1.0")
			d.Port = 8443
			return taskdef.RenderGateway(config.APIGatewayKind, d, taskdef.Options{Config: read(t, "config/gateway.json")})
		},
		"job": func() (*taskdef.Result, error) {
			d := describe("migrate", "migrate:1.4")
			d.Command = []string{"/app/migrate", "up"}
			return taskdef.Render(d, taskdef.Options{Job: true, Config: read(t, "config/job.json")})
		},
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The examples are what the documented commands print, and ECS and meshtask take them.
func TestExamples(t *testing.T) {
	for name, make := range examples(t) {
		t.Run(name, func(t *testing.T) {
			r, err := make()
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name+".json", r.New, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, name+".json")), string(r.New)); diff != "" {
				t.Errorf("not what taskdef makes now (-file +taskdef):\n%s", diff)
			}
			valid(t, read(t, name+".json"))
		})
	}
}

// valid checks a whole definition: the SDK's shape and validation, Fargate's
// sizes, and that the configuration in it loads, resolves and can be stopped.
func valid(t *testing.T, text []byte) {
	t.Helper()
	var in ecs.RegisterTaskDefinitionInput
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	c := ecs.New(ecs.Options{Region: awsfake.Region, BaseEndpoint: new("http://127.0.0.1:1"), RetryMaxAttempts: 1}) // nobody listens
	if _, err := c.RegisterTaskDefinition(t.Context(), &in); err == nil || strings.Contains(err.Error(), "validation") {
		t.Errorf("not past the SDK's validation: %v", err)
	}
	configured := 0
	for _, c := range in.ContainerDefinitions {
		for _, d := range c.DependsOn {
			if *d.ContainerName != "meshtask-install" || d.Condition != types.ContainerConditionSuccess {
				t.Errorf("%s depends on %s", *c.Name, *d.ContainerName)
			}
		}
		if (c.StopTimeout == nil || *c.StopTimeout > 120) && *c.Name != "meshtask-install" { // which nobody stops
			t.Errorf("%s has no stopTimeout that Fargate takes", *c.Name)
		}
		for _, e := range c.Environment {
			if *e.Name == "MESHTASK_CONFIG_JSON" {
				configured++
				loads(t, c, *e.Value)
			}
		}
	}
	if configured != 1 {
		t.Errorf("%d containers have a configuration, want 1", configured)
	}
}

// loads checks a configuration in its container.
func loads(t *testing.T, c types.ContainerDefinition, text string) {
	t.Helper()
	s := config.Sources{Name: *c.Name, File: []byte(text), AgentKeys: consulagent.EmittedKeys()}
	if i := slices.Index(c.EntryPoint, "--"); i >= 0 {
		s.Command = append(slices.Clone(c.EntryPoint[i+1:]), c.Command...)
	}
	if slices.Contains(c.EntryPoint, "--job") {
		s.Mode = config.Job
	}
	cfg, odd, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range odd {
		t.Errorf("an example with a warning: %s", f)
	}
	id := metadata.Local()
	id.Address, id.Container, id.Family = "10.0.1.7", *c.Name, "family"
	if err := cfg.Resolve(id); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Stop(cfg, plan.Rows(cfg)); err != nil {
		t.Error(err)
	}
	if c.StopTimeout != nil && float64(*c.StopTimeout) != cfg.Shutdown.StopTimeout.Seconds() {
		t.Errorf("%s: stopTimeout %d, configuration %s", *c.Name, *c.StopTimeout, cfg.Shutdown.StopTimeout)
	}
}

// Every JSON in the pages is a whole document: a task definition, which is valid,
// or a configuration, which loads. One that a file here holds is that file.
func TestPages(t *testing.T) {
	pages, err := filepath.Glob("../docs/use-*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../docs/from-consul-ecs.md", "../docs/agentless.md", "README.md")
	if len(pages) < 6 {
		t.Fatalf("pages are missing: %v", pages)
	}
	total := 0
	for _, page := range pages {
		text := string(read(t, page))
		for i, block := range fenced(text, "json") {
			total++
			var doc map[string]any
			if err := json.Unmarshal([]byte(block), &doc); err != nil {
				t.Errorf("%s, JSON %d: %v", page, i+1, err)
				continue
			}
			switch {
			case doc["containerDefinitions"] != nil && strings.Contains(block, "MESHTASK_CONFIG_JSON"):
				valid(t, []byte(block))
			case doc["containerDefinitions"] != nil:
				if _, err := taskdef.Convert([]byte(block), taskdef.Options{RetryJoin: []string{"10.0.3.7"}}); err != nil {
					t.Errorf("%s, JSON %d: %v", page, i+1, err)
				}
			default:
				s := config.Sources{Name: page, File: []byte(block), AgentKeys: consulagent.EmittedKeys(), Flags: map[string]string{}}
				if doc["consulAgent"] == nil && doc["consulServers"] == nil {
					s.Flags["retry-join"] = "127.0.0.1" // a page about meshtask dev, which gives it
				}
				if _, _, err := config.Load(s); err != nil {
					t.Errorf("%s, JSON %d: %v", page, i+1, err)
				}
			}
		}
		for _, name := range quoted(text) {
			if want := strings.TrimSpace(string(read(t, name))); !slices.Contains(fenced(text, "json"), want) {
				t.Errorf("%s says that it shows deploy/%s, and shows something else", page, name)
			}
		}
	}
	if total < 6 {
		t.Errorf("%d examples in the pages: the extraction is broken", total)
	}
}

// The page about consul-ecs shows a definition and what its configuration becomes, and then
// configurations that are good as they are.
func TestMigrationPage(t *testing.T) {
	blocks := fenced(string(read(t, "../docs/from-consul-ecs.md")), "json")
	if len(blocks) < 2 {
		t.Fatalf("%d JSON blocks, want a definition and a configuration", len(blocks))
	}
	for _, block := range blocks[2:] {
		if _, _, err := config.Load(config.Sources{Name: "the page", File: []byte(block), Command: []string{"true"}}); err != nil {
			t.Error(err)
		}
	}
	r, err := taskdef.Convert([]byte(blocks[0]), taskdef.Options{})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, r.New)
	var def ecs.RegisterTaskDefinitionInput
	if err := json.Unmarshal(r.New, &def); err != nil {
		t.Fatal(err)
	}
	if len(def.ContainerDefinitions) != 1 || len(def.Volumes) != 0 {
		t.Errorf("%d containers, %d volumes are left", len(def.ContainerDefinitions), len(def.Volumes))
	}
	var want, got any
	for _, e := range def.ContainerDefinitions[0].Environment {
		if *e.Name == "MESHTASK_CONFIG_JSON" {
			_ = json.Unmarshal([]byte(*e.Value), &got)
		}
	}
	if err := json.Unmarshal([]byte(blocks[1]), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page's configuration (-page +taskdef):\n%s", diff)
	}
}

// fenced are the code blocks of a language.
func fenced(text, language string) []string {
	var out []string
	parts := strings.Split("\n"+text, "\n```"+language+"\n")
	for _, p := range parts[1:] {
		block, _, _ := strings.Cut(p, "\n```")
		out = append(out, strings.TrimSpace(block))
	}
	return out
}

// quoted are the files of deploy/ that a page shows whole: a line such as
// [`deploy/single.json`](../deploy/single.json): before the block.
func quoted(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if name, ok := strings.CutPrefix(line, "[`deploy/"); ok && strings.HasSuffix(line, "):") {
			name, _, _ = strings.Cut(name, "`")
			out = append(out, name)
		}
	}
	return out
}
