package deploy_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"meshtask/internal/testbed/awsfake"
)

// operations are an API's calls, by the methods of the SDK's client of it.
func operations(client any) map[string]bool {
	out := map[string]bool{}
	for m := range reflect.TypeOf(client).Methods() {
		out[m.Name] = true
	}
	return out
}

// called lists the actions that the Go files of a folder call: those whose input
// they name, and those of the query APIs whose forms they write.
func called(t *testing.T, dir string) []string {
	t.Helper()
	services := map[string]map[string]bool{
		"ecs":            operations(&ecs.Client{}),
		"secretsmanager": operations(&secretsmanager.Client{}),
		"ssm":            operations(&ssm.Client{}),
	}
	query := regexp.MustCompile(`Action=(\w+)`)
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	found := map[string]bool{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok {
					if op, ok := strings.CutSuffix(n.Sel.Name, "Input"); ok && services[pkg.Name][op] {
						found[pkg.Name+":"+op] = true
					}
				}
			case *ast.BasicLit:
				// GetCallerIdentity needs no permission.
				if m := query.FindStringSubmatch(n.Value); m != nil && m[1] != "GetCallerIdentity" {
					found["iam:"+m[1]] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

func policies(t *testing.T, names ...string) []string {
	t.Helper()
	var all []string
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("iam", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := awsfake.ParsePolicy(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, p.Actions()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The policies allow what the code calls, and nothing else. Controller and tasks
// share no action by accident: each has files of its own.
func TestPoliciesAreExact(t *testing.T) {
	for name, c := range map[string]struct {
		policies []string
		code     string
	}{
		"controller":   {[]string{"controller-role", "controller-role-create-secrets"}, "../acl"},
		"task secrets": {[]string{"task-role", "task-role-parameters"}, "../internal/secret/awsstore"},
		"task login":   {[]string{"task-role-login"}, "../acl/iam"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(called(t, c.code), policies(t, c.policies...)); diff != "" {
				t.Errorf("called (-) and allowed (+) differ:\n%s", diff)
			}
		})
	}
}

// Every policy and every action in it has its line in the document.
func TestEveryActionIsJustified(t *testing.T) {
	doc, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("iam/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	for _, file := range files {
		_, section, ok := strings.Cut(string(doc), "| `"+file+"` |")
		if !ok {
			t.Errorf("%s is not in the document", file)
			continue
		}
		section, _, _ = strings.Cut(section, "| `iam/")
		section, _, _ = strings.Cut(section, "\n\n")
		actions := policies(t, strings.TrimSuffix(filepath.Base(file), ".json"))
		for _, action := range actions {
			if !strings.Contains(section, "`"+action+"`") {
				t.Errorf("%s: %s has no reason in the document", file, action)
			}
		}
		if reasons := strings.Count(section, "`, `") + strings.Count("\n"+strings.TrimSpace(section), "\n"); reasons != len(actions) {
			t.Errorf("%s: %d actions, and reasons for %d", file, len(actions), reasons)
		}
	}
}

// A task definition with a misspelt key or a member missing would be refused by
// ECS only; the SDK's own types and validation find it here.
func TestTaskDefinition(t *testing.T) {
	text, err := os.ReadFile("acl-controller.json")
	if err != nil {
		t.Fatal(err)
	}
	var in ecs.RegisterTaskDefinitionInput
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	c := ecs.New(ecs.Options{Region: awsfake.Region, BaseEndpoint: new("http://127.0.0.1:1")}) // nobody listens
	if _, err := c.RegisterTaskDefinition(t.Context(), &in); err == nil || strings.Contains(err.Error(), "validation") {
		t.Errorf("not past the SDK's validation: %v", err)
	}
	if in.NetworkMode != "awsvpc" || in.TaskRoleArn == nil || in.ExecutionRoleArn == nil || len(in.ContainerDefinitions) != 1 {
		t.Fatalf("not the one-container layout: %+v", in)
	}
	container := in.ContainerDefinitions[0]
	if len(container.DependsOn) > 0 || container.Command[0] != "acl-controller" || container.Essential == nil || !*container.Essential {
		t.Errorf("container %+v", container)
	}
	for _, e := range container.Environment {
		if strings.Contains(*e.Name, "TOKEN") {
			t.Errorf("%s is in plain text in the task definition", *e.Name)
		}
	}
}
