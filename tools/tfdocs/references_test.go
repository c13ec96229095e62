package tfdocs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Whatever is named is declared: variables, locals, module calls and their outputs. A path leads to
// something within the module, but for the tests' and the examples' modules.
func TestReferences(t *testing.T) {
	all := modules(t)
	seen := 0
	for _, m := range all {
		for _, body := range m.bodies {
			hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
				if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok {
					seen++
					m.refers(t, all, e.Traversal)
				}
				return nil
			})
		}
	}
	if seen < 500 {
		t.Errorf("%d references were looked at", seen)
	}
}

func (m *module) refers(t *testing.T, all map[string]*module, to hcl.Traversal) {
	t.Helper()
	var words []string
	for _, step := range to {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			words = append(words, step.Name)
		case hcl.TraverseAttr:
			words = append(words, step.Name)
		}
	}
	if len(words) < 2 {
		return
	}
	at := to.SourceRange()
	switch name := words[1]; words[0] {
	case "var":
		if !names(m.variables)[name] {
			t.Errorf("%s: no variable %s is declared", at, name)
		}
	case "local":
		if !m.locals[name] {
			t.Errorf("%s: no local %s is declared", at, name)
		}
	case "module":
		call := m.calls[name]
		if call == nil {
			t.Errorf("%s: no module %s is called", at, name)
			return
		}
		if called := all[m.target(call)]; called != nil && len(words) > 2 && !names(called.outputs)[words[2]] {
			t.Errorf("%s: %s has no output %s", at, called.dir, words[2])
		}
	}
}

// target is the folder of a module call.
func (m *module) target(call *hclsyntax.Block) string {
	return filepath.Join(m.dir, strings.Trim(m.source(call, "source"), `"`))
}

// A module call gives all that is required, and nothing that is not declared.
func TestCalls(t *testing.T) {
	all := modules(t)
	meta := map[string]bool{"source": true, "for_each": true, "count": true, "depends_on": true, "providers": true, "version": true}
	seen := 0
	for _, m := range all {
		for name, call := range m.calls {
			seen++
			called := all[m.target(call)]
			if called == nil {
				t.Errorf("%s: module %s: there is no %s", m.dir, name, m.target(call))
				continue
			}
			for _, v := range called.variables {
				if _, given := call.Body.Attributes[v.name]; v.required && !given {
					t.Errorf("%s: module %s needs %s", m.dir, name, v.name)
				}
			}
			for given := range call.Body.Attributes {
				if !meta[given] && !names(called.variables)[given] {
					t.Errorf("%s: module %s has no variable %s", m.dir, name, given)
				}
			}
		}
	}
	if seen < 12 {
		t.Errorf("%d calls were looked at", seen)
	}
}

// What a module reads of its folder is there. That nothing leads out of it is TestModulesStandAlone's.
func TestFilesAreThere(t *testing.T) {
	seen := 0
	for _, m := range modules(t) {
		for _, body := range m.bodies {
			hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
				call, ok := n.(*hclsyntax.FunctionCallExpr)
				if !ok || call.Name != "file" {
					return nil
				}
				r := call.Args[0].Range()
				name := strings.Trim(string(m.bytes[r.Filename][r.Start.Byte:r.End.Byte]), `"`)
				name = strings.ReplaceAll(strings.TrimPrefix(name, "${path.module}/"), "${file}", "*")
				name = strings.ReplaceAll(strings.ReplaceAll(name, "${step}", "*"), "${name}", "*")
				found, err := filepath.Glob(filepath.Join(m.dir, name))
				if seen++; err != nil || len(found) == 0 {
					t.Errorf("%s: there is no %s", r, name)
				}
				return nil
			})
		}
	}
	if seen < 5 {
		t.Errorf("%d reads were looked at", seen)
	}
}
