// Package taskdef turns an ECS task definition (a plain one, or one that
// consul-ecs v0.3 to v0.10 rendered) into one for meshtask. It knows the shape of
// task definitions, the containers of consul-ecs and how its agent is set up.
//
// It is pure: bytes in, bytes and findings out. Whatever cannot be mapped is
// kept, or named with the reason; nothing goes silently. It asks no AWS API and
// knows no image: what an image's ENTRYPOINT says, it must be told.
package taskdef

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"meshtask/internal/config"
	"meshtask/internal/jsontree"
)

// The layouts.
const (
	Single   = "single"   // one container: meshtask run -- APP
	Siblings = "siblings" // a mesh container: meshtask run; the apps': meshtask app -- APP
)

// OnlyApp stands in Options for the app's container where there is one app.
const OnlyApp = ""

// Options are what a task definition does not say. The zero value asks for
// nothing special.
type Options struct {
	Layout      string              // Single, Siblings; empty: Single for one app, else Siblings
	Apps        []string            // names of the app containers; empty: found
	Job         bool                // run to completion; Single only
	Name        string              // of the service, where the definition says none
	Port        int                 // of the service, likewise; 0: none, or the app's only port mapping
	RetryJoin   []string            // wins over what the definition says
	Config      []byte              // a meshtask configuration whose members win; nil: none
	Binary      string              // meshtask in the images; empty: meshtask, found on PATH
	MeshImage   string              // of the mesh container; empty: a placeholder, and a finding
	Entrypoints map[string][]string // ENTRYPOINT of the image, by container; an empty list: it has none
	Cmds        map[string][]string // CMD of the image, likewise
	Images      map[string]Image    // configurations of images, likewise; Entrypoints and Cmds win
	Inject      bool                // images stay as they are: a container installs meshtask; Siblings only

	fresh bool // the app is new: it had no stop timeout before
}

// Level says what a finding asks of the reader.
type Level string

// The levels.
const (
	Note Level = "note" // was changed as it should be
	Todo Level = "todo" // has to be done by hand, outside or inside of the definition
	Lost Level = "lost" // has no counterpart: what it did is gone
)

// Finding is one thing to know about a conversion. It holds no secret.
type Finding struct {
	Level Level
	Path  string // such as containerDefinitions[web].dependsOn
	Text  string
}

// String is "level path: text".
func (f Finding) String() string { return fmt.Sprintf("%-5s %s: %s", f.Level, f.Path, f.Text) }

// Result is a conversion: the definition as it was, in the form of the new
// one, the new one (input of RegisterTaskDefinition), and what to know about it.
type Result struct {
	Old, New []byte
	Findings []Finding
}

// Diff is a unified diff of old and new; empty when nothing changed.
func (r *Result) Diff(name string) []byte {
	return diff.Diff(name, r.Old, name+" (meshtask)", r.New)
}

// Convert makes doc, the input of RegisterTaskDefinition or the output of
// DescribeTaskDefinition, a task definition for meshtask. The error says why it
// cannot be done at all; it may have many lines.
func Convert(doc []byte, o Options) (*Result, error) {
	if len(doc) > MaxInput {
		return nil, fmt.Errorf("not a task definition: it has more than %d bytes, and ECS takes %d", MaxInput, maxDefinition)
	}
	if len(o.Config) > MaxConfig {
		return nil, fmt.Errorf("--config: more than %d bytes", MaxConfig)
	}
	if err := shaped(doc); err != nil {
		return nil, err
	}
	tree, err := parse(doc)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	root, _ := tree.(*jsontree.Object)
	c := &conversion{opt: o}
	def, err := c.unwrap(root)
	if err != nil {
		return nil, err
	}
	old := jsontree.Pretty(def, "image")
	c.def = def
	if err := c.convert(); err != nil {
		return nil, err
	}
	out := jsontree.Pretty(def, "image")
	if len(out) > maxDefinition {
		c.say(Todo, "", "the definition has %d bytes, ECS takes %d: move the configuration into a file of the image (MESHTASK_CONFIG)", len(out), maxDefinition)
	}
	return &Result{Old: old, New: out, Findings: c.findings}, nil
}

// MaxInput bounds what Convert reads: ECS's quota of a task definition's size, and
// room for blanks and for what DescribeTaskDefinition adds.
const MaxInput = 4 * maxDefinition

// MaxConfig bounds Options.Config, and the text of an image's configuration.
const MaxConfig = config.MaxDocument

// ECS's quotas of a task definition.
const (
	maxDefinition = 64 << 10
	maxContainers = 10
)

// definition is the part of ECS's shape that the conversion reads or writes; it
// is used to refuse other shapes with their path.
type definition struct {
	Family                  string `json:"family"`
	NetworkMode             string `json:"networkMode"`
	TaskRoleArn             string `json:"taskRoleArn"`
	RequiresCompatibilities []string
	ContainerDefinitions    []struct {
		Name, Image               string
		Essential                 bool
		EntryPoint, Command       []string
		Links                     []string
		Environment               []struct{ Name, Value string }
		Secrets                   []struct{ Name, ValueFrom string }
		DependsOn                 []struct{ ContainerName, Condition string }
		MountPoints               []struct{ SourceVolume, ContainerPath string }
		VolumesFrom               []struct{ SourceContainer string }
		PortMappings              []struct{ ContainerPort, HostPort int }
		Ulimits                   []struct{ Name string }
		StopTimeout               int
		ReadonlyRootFilesystem    bool
		HealthCheck               struct{ Command []string }
		LogConfiguration          map[string]any
		FirelensConfiguration     map[string]any
		LinuxParameters           map[string]any
		Memory, MemoryReservation int
	} `json:"containerDefinitions"`
	Volumes []struct{ Name string } `json:"volumes"`
	Tags    []struct{ Key, Value string }
}

func shaped(doc []byte) error {
	var either struct {
		definition
		TaskDefinition definition
	}
	err := json.Unmarshal(doc, &either)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("not a task definition: %s must not be %s", jsonPath(wrong.Field), wrong.Value)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := doc[:min(int(syntax.Offset), len(doc))]
		return fmt.Errorf("not JSON: line %d: %w", 1+bytes.Count(before, []byte("\n")), err)
	}
	return err
}

// jsonPath is a decoder's path with the names as ECS has them.
func jsonPath(field string) string {
	parts := strings.Split(strings.TrimPrefix(field, "definition."), ".")
	for i, p := range parts {
		if p != "" {
			parts[i] = strings.ToLower(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, ".")
}

// unwrap finds the definition, and takes away what only ECS may set.
func (c *conversion) unwrap(root *jsontree.Object) (*jsontree.Object, error) {
	if root == nil {
		return nil, errors.New(`not a task definition: want a JSON object with containerDefinitions, such as the output of "aws ecs describe-task-definition --include TAGS"`)
	}
	def := root
	if root.Has("taskDefinition") {
		def = root.Obj("taskDefinition")
		for _, key := range root.Keys() {
			if key != "taskDefinition" && key != "tags" {
				c.say(Lost, key, "is beside the taskDefinition, and not part of it")
			}
		}
		if tags := root.List("tags"); len(tags) > 0 {
			def.Set("tags", tags)
		}
	}
	if def.Has("ContainerDefinitions") {
		return nil, errors.New("this is CloudFormation's form: want ECS's own, with containerDefinitions, such as the output of aws ecs describe-task-definition --include TAGS")
	}
	if len(def.Objects("containerDefinitions")) == 0 {
		return nil, errors.New("not a task definition: containerDefinitions is missing or empty")
	}
	if n := len(def.Objects("containerDefinitions")); n > maxContainers {
		return nil, fmt.Errorf("not a task definition: it has %d containers, and ECS takes %d", n, maxContainers)
	}
	if !def.Has("requiresCompatibilities") && def.Has("compatibilities") {
		c.say(Note, "compatibilities", "ECS's own finding; requiresCompatibilities was not given and stays so")
	}
	for _, key := range []string{"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy", "deregisteredAt"} {
		def.Del(key) // ECS sets them; the next revision has its own
	}
	return def, nil
}
