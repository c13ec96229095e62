package taskdef

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"meshtask/consulagent"
	"meshtask/internal/config"
	ecsdoc "meshtask/internal/ecs"
	"meshtask/internal/plan"
)

// register decodes a definition into the SDK's input and lets the SDK validate
// it: misspelt keys, wrong types and missing members are found; nobody is asked.
func register(t *testing.T, text []byte) *ecs.RegisterTaskDefinitionInput {
	t.Helper()
	var in ecs.RegisterTaskDefinitionInput
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatalf("not the shape of RegisterTaskDefinition: %v", err)
	}
	c := ecs.New(ecs.Options{Region: "us-east-1", BaseEndpoint: new("http://127.0.0.1:1"), RetryMaxAttempts: 1}) // nobody listens
	if _, err := c.RegisterTaskDefinition(t.Context(), &in); err == nil || strings.Contains(err.Error(), "validation") {
		t.Errorf("not past the SDK's validation: %v", err)
	}
	return &in
}

// whole checks what the SDK does not: names that refer to something, Fargate's
// bounds, enumerations, and a configuration that loads in its container.
func whole(t *testing.T, r *Result) {
	t.Helper()
	in := register(t, r.New)
	if in.NetworkMode != types.NetworkModeAwsvpc {
		t.Errorf("network mode %s", in.NetworkMode)
	}
	fargate := slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate)
	for _, c := range in.RequiresCompatibilities {
		if !slices.Contains(c.Values(), c) {
			t.Errorf("unknown compatibility %s", c)
		}
	}
	if fargate {
		cpu, _ := strconv.Atoi(*in.Cpu)
		memory, _ := strconv.Atoi(*in.Memory)
		if err := Fargate(cpu, memory); err != nil {
			t.Error(err)
		}
	}
	var names, volumes []string
	for _, v := range in.Volumes {
		volumes = append(volumes, *v.Name)
	}
	for _, c := range in.ContainerDefinitions {
		if slices.Contains(names, *c.Name) {
			t.Errorf("container %s twice", *c.Name)
		}
		names = append(names, *c.Name)
	}
	configured := 0
	for _, c := range in.ContainerDefinitions {
		for _, d := range c.DependsOn {
			if !slices.Contains(names, *d.ContainerName) || !slices.Contains(d.Condition.Values(), d.Condition) {
				t.Errorf("%s depends on %s %s", *c.Name, *d.ContainerName, d.Condition)
			}
		}
		for _, m := range c.MountPoints {
			if !slices.Contains(volumes, *m.SourceVolume) {
				t.Errorf("%s mounts %s, which is no volume", *c.Name, *m.SourceVolume)
			}
		}
		if fargate && c.StopTimeout != nil && (*c.StopTimeout < 2 || *c.StopTimeout > 120) {
			t.Errorf("%s: stopTimeout %d is out of Fargate's bounds", *c.Name, *c.StopTimeout)
		}
		if h := c.HealthCheck; h != nil && (outside(h.Interval, 5, 300) || outside(h.Timeout, 2, 60) || outside(h.Retries, 1, 10) || outside(h.StartPeriod, 0, 300)) {
			t.Errorf("%s: a health check is out of ECS's bounds", *c.Name)
		}
		if cfg := configuration(t, in, c); cfg != nil {
			configured++
			if *c.StopTimeout != int32(cfg.Shutdown.StopTimeout.Seconds()) {
				t.Errorf("%s: stopTimeout %d, configuration %s", *c.Name, *c.StopTimeout, cfg.Shutdown.StopTimeout)
			}
		}
	}
	if configured != 1 {
		t.Errorf("%d containers have a configuration, want 1", configured)
	}
	for _, gone := range []string{"CONSUL_ECS_CONFIG_JSON", "/consul/", "consul-client\"", "sidecar-proxy", "mesh-init", "control-plane", "dataplane", "health-sync", "consul_data"} {
		if bytes.Contains(r.New, []byte(gone)) {
			t.Errorf("%s is left", gone)
		}
	}
}

func outside(n *int32, min, max int32) bool { return n != nil && (*n < min || *n > max) }

// configuration loads a container's configuration as meshtask does there.
func configuration(t *testing.T, in *ecs.RegisterTaskDefinitionInput, c types.ContainerDefinition) *config.Config {
	t.Helper()
	env := map[string]string{}
	for _, e := range c.Environment {
		env[*e.Name] = *e.Value
	}
	for _, s := range c.Secrets {
		env[*s.Name] = "the value of " + *s.ValueFrom
	}
	if env[configName] == "" {
		return nil
	}
	s := config.Sources{Mode: config.Run, AgentKeys: consulagent.EmittedKeys(), Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if i := slices.Index(c.EntryPoint, "--"); i >= 0 {
		s.Command = append(slices.Clone(c.EntryPoint[i+1:]), c.Command...)
	}
	if slices.Contains(c.EntryPoint, "--job") {
		s.Mode = config.Job
	}
	cfg, _, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	id := ecsdoc.Local()
	id.Address, id.Container, id.Family = "10.0.1.7", *c.Name, *in.Family
	if err := cfg.Resolve(id); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Stop(cfg, plan.Rows(cfg)); err != nil {
		t.Error(err)
	}
	for _, tag := range in.Tags {
		if *tag.Key == tagService && *tag.Value != cfg.Service.Name {
			t.Errorf("service %s, tag %s", cfg.Service.Name, *tag.Value)
		}
	}
	return cfg
}
