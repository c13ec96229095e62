// Package tfdocs checks the Terraform files of deploy/ without Terraform, and writes the tables of
// variables and outputs in their READMEs. It is a module of its own, so that HCL's parser is no
// dependency of meshtask.
package tfdocs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const root = "../../deploy/terraform"

// module is a folder of .tf files.
type module struct {
	dir       string
	bytes     map[string][]byte // by file
	bodies    map[string]*hclsyntax.Body
	variables []variable
	outputs   []variable // without type and default
	locals    map[string]bool
	calls     map[string]*hclsyntax.Block
}

type variable struct {
	name, description, kind, value string
	required                       bool
}

// modules are all folders with .tf files, those of tests too.
func modules(t *testing.T) map[string]*module {
	t.Helper()
	out := map[string]*module{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".terraform") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".tf" {
			return nil
		}
		dir := filepath.Dir(path)
		if out[dir] == nil {
			out[dir] = &module{dir: dir, bytes: map[string][]byte{}, bodies: map[string]*hclsyntax.Body{}, locals: map[string]bool{}, calls: map[string]*hclsyntax.Block{}}
		}
		out[dir].read(t, path)
		return nil
	})
	if err != nil || len(out) < 8 {
		t.Fatalf("%d modules: %v", len(out), err)
	}
	return out
}

func (m *module) read(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body := file.Body.(*hclsyntax.Body)
	m.bytes[path], m.bodies[path] = text, body
	for _, b := range body.Blocks {
		switch b.Type {
		case "variable":
			m.variables = append(m.variables, m.declared(b))
		case "output":
			m.outputs = append(m.outputs, m.declared(b))
		case "module":
			m.calls[b.Labels[0]] = b
		case "locals":
			for name := range b.Body.Attributes {
				m.locals[name] = true
			}
		}
	}
}

func (m *module) declared(b *hclsyntax.Block) variable {
	v := variable{name: b.Labels[0], kind: m.source(b, "type"), value: m.source(b, "default")}
	_, given := b.Body.Attributes["default"]
	v.required = !given
	if d, ok := b.Body.Attributes["description"]; ok {
		if text, diags := d.Expr.Value(nil); !diags.HasErrors() {
			v.description = text.AsString()
		}
	}
	return v
}

// source is an attribute's expression as it is written, on one line.
func (m *module) source(b *hclsyntax.Block, attribute string) string {
	a, ok := b.Body.Attributes[attribute]
	if !ok {
		return ""
	}
	r := a.Expr.Range()
	return strings.Join(strings.Fields(string(m.bytes[r.Filename][r.Start.Byte:r.End.Byte])), " ")
}

func names(list []variable) map[string]bool {
	out := map[string]bool{}
	for _, v := range list {
		out[v.name] = true
	}
	return out
}
