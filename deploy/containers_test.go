package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func definition(t *testing.T, path string) ecs.RegisterTaskDefinitionInput {
	t.Helper()
	var in ecs.RegisterTaskDefinitionInput
	if err := json.Unmarshal(read(t, path), &in); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return in
}

// What decides over a task's life in ECS: nothing waits for a container, the
// stop budget is said, and a check is a program, not a line for a shell that the
// image may not have.
func TestContainers(t *testing.T) {
	none := []string(nil)
	mesh := []string{"CMD", "meshtask", "health"}
	for file, want := range map[string]map[string]struct {
		stop  int32
		check []string
	}{
		"single.json":         {"web": {30, mesh}},
		"job.json":            {"migrate": {30, none}}, // its end is its answer
		"siblings.json":       {"web": {57, []string{"CMD", "/web", "check"}}, "images": {57, []string{"CMD", "/images", "check"}}, "meshtask": {57, mesh}},
		"gateway.json":        {"edge": {30, mesh}},
		"acl-controller.json": {"consul-acl-controller": {30, none}},
	} {
		t.Run(file, func(t *testing.T) {
			in := definition(t, file)
			if len(in.ContainerDefinitions) != len(want) {
				t.Fatalf("%d containers, want %d", len(in.ContainerDefinitions), len(want))
			}
			for _, c := range in.ContainerDefinitions {
				w, ok := want[*c.Name]
				if !ok {
					t.Errorf("unexpected container %s", *c.Name)
					continue
				}
				container(t, c, w.stop, w.check)
			}
		})
	}
}

func container(t *testing.T, c types.ContainerDefinition, stop int32, check []string) {
	t.Helper()
	if c.StopTimeout == nil || *c.StopTimeout != stop {
		t.Errorf("%s: stopTimeout %v, want %d", *c.Name, c.StopTimeout, stop)
	}
	if len(c.DependsOn) > 0 || len(c.Links) > 0 {
		t.Errorf("%s waits for other containers: %v %v", *c.Name, c.DependsOn, c.Links)
	}
	if c.Essential == nil || !*c.Essential {
		t.Errorf("%s is not essential: the task would live on without it", *c.Name)
	}
	var got []string
	if c.HealthCheck != nil {
		got = c.HealthCheck.Command
	}
	if !slices.Equal(got, check) {
		t.Errorf("%s: check %q, want %q", *c.Name, got, check)
	}
	if len(c.EntryPoint) == 0 || c.EntryPoint[0] != "meshtask" {
		t.Errorf("%s: entrypoint %q is not meshtask", *c.Name, c.EntryPoint)
	}
}

// plain.json is what siblings.json is made of: as it was without a mesh.
func TestPlainIsPlain(t *testing.T) {
	text := string(read(t, "plain.json"))
	for _, word := range []string{"meshtask", "stopTimeout", "dependsOn", "consul"} {
		if strings.Contains(text, word) {
			t.Errorf("plain.json has %s", word)
		}
	}
}

// A job is started with its definition's tags, by hand and by the schedule, and
// both start the same task.
func TestJobIsStarted(t *testing.T) {
	family := *definition(t, "job.json").Family
	var run ecs.RunTaskInput
	strict(t, "run-task.json", &run)
	if run.PropagateTags != types.PropagateTagsTaskDefinition || *run.TaskDefinition != family || run.LaunchType != types.LaunchTypeFargate {
		t.Errorf("run-task.json: %v %v %v", run.PropagateTags, *run.TaskDefinition, run.LaunchType)
	}
	var s struct {
		Name, ScheduleExpression, ScheduleExpressionTimezone string
		FlexibleTimeWindow                                   struct{ Mode string }
		Target                                               struct {
			Arn, RoleArn  string
			EcsParameters struct {
				TaskDefinitionArn, LaunchType, PropagateTags string
				NetworkConfiguration                         types.NetworkConfiguration
			}
			RetryPolicy struct{ MaximumEventAgeInSeconds, MaximumRetryAttempts int }
		}
	}
	strict(t, "schedule.json", &s)
	p := s.Target.EcsParameters
	if p.PropagateTags != "TASK_DEFINITION" || p.LaunchType != "FARGATE" || !strings.HasSuffix(p.TaskDefinitionArn, ":task-definition/"+family) {
		t.Errorf("schedule.json: %+v", p)
	}
	if !strings.HasSuffix(s.Target.Arn, ":cluster/"+*run.Cluster) {
		t.Errorf("schedule.json is for %s, run-task.json for %s", s.Target.Arn, *run.Cluster)
	}
}

func strict(t *testing.T, path string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(read(t, path))))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// A variable of a module that nothing reads would be passed over in silence.
func TestModuleVariables(t *testing.T) {
	dirs, err := filepath.Glob("terraform/*/modules/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("%v: %v", dirs, err)
	}
	dirs = append(append(dirs, modules(t)...), "terraform/examples/production")
	for _, module := range dirs {
		files, err := filepath.Glob(filepath.Join(module, "*.tf"))
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: %d files, %v", module, len(files), err)
		}
		var rest, declared strings.Builder
		for _, f := range files {
			if strings.HasSuffix(f, "variables.tf") {
				declared.Write(read(t, f))
			} else {
				rest.Write(read(t, f))
			}
		}
		blocks := strings.Split("\n"+declared.String(), "\nvariable \"")[1:]
		if len(blocks) < 5 {
			t.Fatalf("%s: %d variables: the extraction is broken", module, len(blocks))
		}
		for _, b := range blocks {
			name, body, _ := strings.Cut(b, `"`)
			if !regexp.MustCompile(`\bvar\.` + name + `\b`).MatchString(rest.String()) {
				t.Errorf("%s: nothing reads %s", module, name)
			}
			if !strings.Contains(body, "\n  description = \"") {
				t.Errorf("%s: %s has no description", module, name)
			}
		}
	}
}

// Ports that the README lists are those that the example opens, and the other
// way round.
func TestPorts(t *testing.T) {
	readme := string(read(t, "README.md"))
	_, table, _ := strings.Cut(readme, "## Security groups")
	table, _, _ = strings.Cut(table, "\n## ")
	network, err := os.ReadFile("terraform/examples/production/network.tf")
	if err != nil {
		t.Fatal(err)
	}
	opened := map[string]bool{}
	for _, m := range regexp.MustCompile(`port = (\d+)`).FindAllStringSubmatch(string(network), -1) {
		opened[m[1]] = true
	}
	listed := map[string]bool{"8500": true, "443": true} // a choice instead of 8501; outward
	for _, m := range regexp.MustCompile(`\b(\d{3,5}) (?:tcp|with)`).FindAllStringSubmatch(table, -1) {
		listed[m[1]] = true
		if !opened[m[1]] && m[1] != "8500" && m[1] != "443" {
			t.Errorf("port %s is listed and not opened", m[1])
		}
	}
	for port := range opened {
		if !listed[port] {
			t.Errorf("port %s is opened and not listed", port)
		}
	}
	if len(opened) != 7 {
		t.Errorf("%d ports are opened, want 7: %v", len(opened), opened)
	}
}
