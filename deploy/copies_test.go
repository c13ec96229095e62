package deploy_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// copied are the files that a Terraform module has a copy of, so that its folder works alone: what
// it is a copy of, by the copy.
func copied() map[string]string {
	out := map[string]string{
		"terraform/mesh-task/definition_variables.tf":    "terraform/mesh-task/modules/definition/variables.tf",
		"terraform/gateway-task/definition_variables.tf": "terraform/gateway-task/modules/definition/variables.tf",
		"terraform/examples/production/api-image.json":   "api-image.json",
	}
	for module, names := range map[string][]string{
		"examples/production": {"scheduler-role"},
		"dev-server":          {"dev-server-role", "execution-role", "task-role-exec"},
		"mesh-task":           {"task-role", "task-role-parameters", "task-role-login", "task-role-exec", "execution-role"},
		"gateway-task":        {"task-role", "task-role-parameters", "task-role-login", "task-role-exec", "execution-role"},
		"acl-controller":      {"controller-role", "controller-role-create-secrets", "execution-role"},
	} {
		for _, name := range names {
			out["terraform/"+module+"/iam/"+name+".json"] = "iam/" + name + ".json"
		}
	}
	return out
}

func TestCopies(t *testing.T) {
	all := copied()
	for to, from := range all {
		want := read(t, from)
		if *update {
			if err := os.WriteFile(to, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(want), string(read(t, to))); diff != "" {
			t.Errorf("%s is no copy of %s (go test ./deploy -update writes it):\n%s", to, from, diff)
		}
	}
	found := 0
	for _, path := range shipped(t) {
		if dir, _ := filepath.Split(path); strings.HasPrefix(dir, "terraform/") && strings.HasSuffix(dir, "/iam/") {
			found++
			if all[path] == "" {
				t.Errorf("%s is a copy of nothing: add it to copied()", path)
			}
		}
	}
	if found == 0 {
		t.Error("no copy of iam was found")
	}
}

// A module's folder works wherever it is: nothing in it is read from outside.
func TestModulesStandAlone(t *testing.T) {
	for _, module := range modules(t) {
		for _, file := range terraformFiles(t, module) {
			for _, m := range regexp.MustCompile(`"[^"\n]*\.\./[^"\n]*"`).FindAllString(string(read(t, file)), -1) {
				at := path.Join(filepath.ToSlash(filepath.Dir(file)), strings.NewReplacer(`"`, "", "${path.module}/", "").Replace(m))
				if !strings.HasPrefix(at, module) {
					t.Errorf("%s: %s leaves the module", file, m)
				}
			}
		}
	}
}

// modules are the folders that people use as a module's source.
func modules(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("terraform/*/versions.tf")
	if err != nil || len(found) < 2 {
		t.Fatalf("%v: %v", found, err)
	}
	var out []string
	for _, f := range found {
		out = append(out, filepath.ToSlash(filepath.Dir(f)))
	}
	return out
}

// terraformFiles are those of a folder and of the folders in it, the tests' too.
func terraformFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, path := range shipped(t) {
		if filepath.Ext(path) == ".tf" && strings.HasPrefix(filepath.ToSlash(path), dir+"/") {
			out = append(out, path)
		}
	}
	if len(out) < 3 {
		t.Fatalf("%s: %v", dir, out)
	}
	return out
}

// The module knows the sidecars that taskdef convert knows.
func TestKnownSidecars(t *testing.T) {
	names := regexp.MustCompile(`"([^"]+)"`)
	words := func(file, from, to, pattern string) []string {
		_, text, found := strings.Cut(string(read(t, file)), from)
		text, _, ends := strings.Cut(text, to)
		if !found || !ends {
			t.Fatalf("%s has no %s", file, from)
		}
		var out []string
		for _, m := range regexp.MustCompile(pattern).FindAllString(text, -1) {
			out = append(out, names.FindStringSubmatch(m)[1])
		}
		slices.Sort(out)
		return out
	}
	ours := words("terraform/mesh-task/modules/definition/apps.tf", "known_sidecars = [", "\n  ]", `"[^"]+"`)
	converts := words("../internal/taskdef/parts.go", "var agents = ", "\n}\n", `\{"[^"]+"`)
	if diff := cmp.Diff(converts, ours); diff != "" || len(ours) < 15 {
		t.Errorf("taskdef's (-) and the module's (+):\n%s", diff)
	}
}
