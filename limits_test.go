package meshtask_test

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Start-up is written where it can be read, in the order in which it happens.
func TestNoInit(t *testing.T) {
	for _, src := range append(parse(t, ".", product), parse(t, "e2e", product)...) {
		for _, decl := range src.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init(): call it where its effect is wanted", src.at(f))
			}
		}
	}
}

// Package-level variables: errors, embedded files, compiled patterns, interface
// assertions and tables that nobody writes to are constants in all but name;
// anything else is state.
func TestNoPackageState(t *testing.T) {
	sources := parse(t, ".", product)
	written := map[string]bool{} // "dir.name"
	for _, src := range sources {
		for _, name := range writes(src.file) {
			written[src.dir+"."+name] = true
		}
	}
	for _, src := range sources {
		for _, decl := range src.file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				name := v.Names[0].Name
				table := len(v.Values) == 1 && literal(v.Values[0]) && !written[src.dir+"."+name]
				if name != "_" && !table && !embedded(gen.Doc) && !embedded(v.Doc) && !constant(v) {
					t.Errorf("%s: var %s is package state: pass it, or make it a function", src.at(v), name)
				}
			}
		}
	}
}

// writes lists the names that a file assigns to, changes in place or takes the
// address of.
func writes(f *ast.File) []string {
	var out []string
	root := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.Ident:
				out = append(out, x.Name)
				return
			default:
				return
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			if x.Tok != token.DEFINE {
				for _, e := range x.Lhs {
					root(e)
				}
			}
		case *ast.IncDecStmt:
			root(x.X)
		case *ast.UnaryExpr:
			if x.Op == token.AND {
				root(x.X)
			}
		case *ast.CallExpr:
			if f, ok := x.Fun.(*ast.Ident); ok && len(x.Args) > 0 && (f.Name == "delete" || f.Name == "clear") {
				root(x.Args[0])
			}
		}
		return true
	})
	return out
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func literal(e ast.Expr) bool {
	switch e.(type) {
	case *ast.CompositeLit, *ast.BasicLit:
		return true
	}
	return false
}

func constant(v *ast.ValueSpec) bool {
	for _, e := range v.Values {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return false
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok || !slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile"}, pkg.Name+"."+sel.Sel.Name) {
			return false
		}
	}
	return len(v.Values) > 0
}

func TestPackagesHaveAComment(t *testing.T) {
	documented := map[string]bool{}
	for _, src := range parse(t, ".", product) {
		documented[src.dir] = documented[src.dir] || src.file.Doc != nil
		if slices.Contains([]string{"util", "utils", "common", "types", "helpers", "misc"}, filepath.Base(src.dir)) {
			t.Errorf("%s: a package is named for what it knows", src.dir)
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment that says what it knows and what it does not", dir)
		}
	}
}

// Tests wait for conditions. In a synctest bubble a sleep is exact and free: a file
// that names synctest, in an import or in the comment on its fakes, may sleep.
func TestTestsDoNotSleep(t *testing.T) {
	tests := func(path string) bool { return !product(path) }
	sources := append(parse(t, ".", tests), parse(t, "e2e", func(string) bool { return true })...)
	for _, src := range sources {
		names := imported(src.file)
		text, err := os.ReadFile(src.path)
		if err != nil {
			t.Fatal(err)
		}
		bubble := bytes.Contains(text, []byte("synctest"))
		ast.Inspect(src.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			if names[x.Name] == "time" && sel.Sel.Name == "Sleep" && !bubble {
				t.Errorf("%s: wait for a condition, not for a time", src.at(sel))
			}
			if x.Name == "t" && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				t.Errorf("%s: a skipped test has shown nothing; fail, or test what can be tested", src.at(sel))
			}
			return true
		})
	}
}

// A script that skips itself has shown nothing either.
func TestScriptsDoNotSkip(t *testing.T) {
	scripts, err := filepath.Glob("*/*/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	skip := regexp.MustCompile(`(?m)^(\[[^]]*\] *)*skip\b`)
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if line := skip.Find(text); line != nil {
			t.Errorf("%s: %q: a skipped script has shown nothing", path, line)
		}
	}
}

func TestNothingIsPostponed(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)
	for _, src := range parse(t, ".", func(string) bool { return true }) {
		text, err := os.ReadFile(src.path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if later.Match(line) {
				t.Errorf("%s:%d: do it, or file an issue and name it", src.path, i+1)
			}
		}
	}
}
