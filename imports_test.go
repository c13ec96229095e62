package meshtask_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is one parsed Go file of the product: not a test, not a tool.
type source struct {
	dir, path string
	file      *ast.File
	set       *token.FileSet
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(n.Pos()).Line)
}

// parse reads the Go files below root that keep wants. Folders with modules of
// their own are separate roots.
func parse(t *testing.T, root string, keep func(path string) bool) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name[0] == '.' || slices.Contains([]string{"testdata", "tools", "e2e", "bench"}, name)) {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" || !keep(path) {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{dir: filepath.ToSlash(filepath.Dir(path)), path: path, file: file, set: set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no Go files found below %s", root)
	}
	return out
}

func product(path string) bool { return !strings.HasSuffix(path, "_test.go") }

// The directions of DESIGN §3. A package matches the first row whose dir it is
// in; only lists what it may import beyond the standard library (nil: anything),
// never what it must not import at all. A trailing slash means everything below.
func directions() []direction {
	const (
		apart  = "domain packages do not know each other: what joins two is composed in internal/task, where it can be read in one place"
		engine = "domain packages are units by shape alone: order lives in the table, so none of them may say after"
		edge   = "domain packages take plain values: the config's shape may change without them"
	)
	domain := func(dir string, more ...bar) direction {
		d := direction{dir: dir, bars: []bar{
			{"meshtask/lifecycle", engine},
			{"meshtask/internal/config", edge}, {"meshtask/internal/plan", edge},
			{"meshtask/internal/journal", "it reports events; what becomes of them is not its affair"}, {"meshtask/internal/admin", "it reports events; what becomes of them is not its affair"},
		}}
		for _, other := range []string{"consulagent", "consulservers", "envoy", "health", "acl"} {
			if other != dir {
				d.bars = append(d.bars, bar{"meshtask/" + other, apart})
			}
		}
		d.bars = append(d.bars, more...)
		return d
	}
	noProcess := bar{"meshtask/supervisor", "it runs no processes"}
	return []direction{
		{dir: "lifecycle", only: []string{}, bars: []bar{
			{"os", "the core is pure: every reachable state is walked in a test, without a process or a file"},
			{"os/", "the core is pure"},
			{"net", "the core is pure: order must not depend on a network"},
			{"net/", "the core is pure"},
			{"syscall", "the core is pure"},
		}},
		{dir: "internal/event", only: []string{}},
		{dir: "supervisor", only: []string{"golang.org/x/sys/", "github.com/hashicorp/go-hclog", "meshtask/internal/ask", "meshtask/internal/event", "meshtask/internal/signame"}},
		{dir: "internal/ask", only: []string{"meshtask/internal/event"}},
		{dir: "acl/reconcile", only: []string{"meshtask/internal/secret", "meshtask/internal/servicename"}, bars: []bar{
			{"os", "it decides, and asks nobody"}, {"os/", "it decides"}, {"net", "it decides"}, {"net/", "it decides"}, {"context", "nothing in it waits"},
		}},
		{dir: "envoy/bootstrap", only: []string{}, bars: []bar{{"os/exec", "a document, made of values"}, {"net/http", "a document, made of values"}}},
		{dir: "envoy/metrics", only: []string{"meshtask/envoy/bootstrap"}, bars: []bar{
			{"os", "it turns a text into a text"}, {"net", "it asks nobody"}, {"net/", "it asks nobody"}, {"context", "nothing in it waits"},
		}},
		{dir: "envoy/pairs", only: []string{}, bars: []bar{{"os", "a table"}, {"os/", "a table"}, {"net", "a table"}, {"net/", "a table"}, {"context", "nothing in it waits"}}},
		{dir: "envoy/warmup", only: []string{}, bars: []bar{{"os", "one stream, made of values"}, {"os/", "one stream, made of values"}}},
		domain("consulagent"), domain("consulservers", noProcess), domain("envoy"), domain("health"), domain("acl", noProcess),
		{dir: "internal/config", bars: append(above("the config is data; what it leads to is plan's"), noProcess)},
		{dir: "internal/journal", bars: append(above("the record knows words, not who says them"), noProcess)},
		{dir: "internal/why", only: []string{"meshtask/internal/state", "meshtask/internal/event", "meshtask/internal/signame", "meshtask/internal/printable"}, bars: append(above("it judges the record, and asks nobody"), noProcess,
			bar{"meshtask/internal/config", "facts to words"}, bar{"meshtask/internal/admin", "it asks nobody"})},
		{dir: "internal/admin", bars: append(above("the socket serves what it is given"), noProcess)},
		{dir: "internal/ecs", bars: append(above("a client of the metadata endpoint, nothing else"), noProcess)},
		{dir: "internal/lease", bars: append(above("a wire between containers, and who holds it"), noProcess)},
		{dir: "internal/httplimit", only: []string{}},
		{dir: "internal/page", only: []string{"meshtask/internal/event", "meshtask/internal/httplimit", "meshtask/internal/printable"}, bars: []bar{
			{"os", "it shows what it is given"}, {"net", "it shows what it is given"},
		}},
		{dir: "internal/dev", bars: append(above("makes what ECS would give; its one process, the server, is started by the task (task.Tools)"), noProcess)},
		{dir: "internal/drawing", only: []string{"meshtask/internal/event", "meshtask/internal/printable"}, bars: []bar{{"os", "entries to text and pictures"}, {"net", "entries to text and pictures"}, {"net/", "entries to text and pictures"}}},
		{dir: "internal/commandline", only: []string{"meshtask/internal/manual", "meshtask/internal/spell", "github.com/spf13/"}, bars: []bar{{"os", "it is given words and streams"}, {"net", "it asks nobody"}, {"net/", "it asks nobody"}}},
		{dir: "internal/outputs", only: []string{"meshtask/internal/jsontree"}},
		{dir: "internal/terminal", only: []string{"golang.org/x/sys/"}},
		{dir: "internal/cgroup", only: []string{"golang.org/x/sys/"}},
		{dir: "internal/spell", only: []string{}},
		{dir: "internal/statedir", only: []string{"golang.org/x/sys/"}},
		{dir: "internal/state", only: []string{"meshtask/internal/event"}, bars: []bar{{"os", "a fold: it asks nobody"}, {"net", "a fold"}, {"net/", "a fold"}, {"context", "nothing in it waits"}}},
		{dir: "internal/waits", only: []string{"meshtask/internal/event"}},
		{dir: "internal/relay", only: []string{"meshtask/internal/signame"}},
		{dir: "internal/install", only: []string{"golang.org/x/sys/"}},
		{dir: "internal/words", only: []string{}},
		{dir: "internal/wrap", only: []string{}},
		{dir: "internal/retry", only: []string{}},
		{dir: "internal/servicename", only: []string{}},
		{dir: "internal/printable", only: []string{}},
		{dir: "internal/jsontree", only: []string{}},
		{dir: "internal/registration", only: []string{"meshtask/internal/consulapi", "meshtask/internal/event", "meshtask/internal/retry", "github.com/hashicorp/consul/api"}, bars: []bar{{"os", "it tells, and keeps nothing"}}},
		{dir: "internal/consulapi", only: []string{"github.com/hashicorp/consul/api"}},
		{dir: "internal/usage", only: []string{"github.com/prometheus/procfs"}, bars: []bar{{"net", "it reads /proc, and serves nothing"}, {"net/", "it reads /proc, and serves nothing"}}},
		{dir: "internal/metrics", only: []string{"meshtask/internal/state", "meshtask/internal/event", "meshtask/internal/usage", "github.com/prometheus/"}, bars: []bar{
			{"os", "from a snapshot to a text"}, {"net", "it asks nobody"}, {"net/", "it asks nobody"}, {"context", "nothing in it waits"}}},
		{dir: "internal/emf", only: []string{"meshtask/internal/state", "meshtask/internal/event", "meshtask/internal/usage", "meshtask/internal/metrics"}, bars: []bar{
			{"os", "from numbers to a line"}, {"net", "it asks nobody"}, {"net/", "it asks nobody"}, {"context", "nothing in it waits"}}},
		{dir: "internal/signame", only: []string{"golang.org/x/sys/"}},
		{dir: "internal/linewriter", only: []string{"golang.org/x/sys/"}},
		{dir: "internal/plan", bars: []bar{noProcess, {"meshtask/internal/journal", "what will run, not what ran"}, {"meshtask/internal/admin", "it asks nobody"}}},
		{dir: "internal/taskdef", bars: []bar{noProcess, {"meshtask/internal/journal", "bytes to bytes"}, {"meshtask/internal/admin", "bytes to bytes"}}},
		{dir: "internal/awssdk", bars: append(above("settings and errors of the SDK, nothing else"), noProcess)},
		{dir: "internal/token", bars: []bar{noProcess, {"meshtask/lifecycle", engine}, {"meshtask/internal/config", edge}, {"meshtask/internal/plan", edge},
			{"meshtask/internal/journal", "it reports events; what becomes of them is not its affair"}, {"meshtask/internal/admin", "it reports events; what becomes of them is not its affair"},
			{"meshtask/consulagent", "what uses a token is the task's"}, {"meshtask/envoy", "what uses a token is the task's"}, {"meshtask/health", "what uses a token is the task's"}}},
		{dir: "internal/secret", bars: append(above("a reader of references, nothing else"), noProcess)},
	}
}

type direction struct {
	dir  string
	only []string
	bars []bar
}

type bar struct{ path, reason string }

func above(reason string) []bar {
	var out []bar
	for _, p := range []string{"lifecycle", "consulagent", "envoy", "health", "acl", "internal/plan"} {
		out = append(out, bar{"meshtask/" + p, reason})
	}
	return out
}

// covers tells whether import path p is path, or below path when that ends in a slash.
func covers(path, p string) bool {
	return p == path || strings.HasSuffix(path, "/") && strings.HasPrefix(p, path)
}

func TestImportDirections(t *testing.T) {
	rows := directions()
	for _, src := range parse(t, ".", product) {
		i := slices.IndexFunc(rows, func(d direction) bool { return d.dir == src.dir || strings.HasPrefix(src.dir, d.dir+"/") })
		if i < 0 {
			continue
		}
		for _, imp := range src.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			for _, b := range rows[i].bars {
				if covers(b.path, path) {
					t.Errorf("%s: %s must not import %s: %s", src.at(imp), rows[i].dir, path, b.reason)
				}
			}
			std := !strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, "meshtask/")
			if rows[i].only != nil && !std && !slices.ContainsFunc(rows[i].only, func(o string) bool { return covers(o, path) }) {
				t.Errorf("%s: %s may import the standard library and %v, not %s", src.at(imp), rows[i].dir, rows[i].only, path)
			}
		}
	}
}

// home says that a name (or a whole package, name "") is used in homes only. A trailing slash
// means everything below.
type home struct {
	pkg, name string
	homes     []string
	reason    string
}

func homes() []home {
	cmd := []string{"cmd/meshtask"}
	var out []home
	for _, name := range []string{"Exit", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv"} {
		out = append(out, home{"os", name, cmd, "the process's environment and exit code are main's; everybody else is given values"})
	}
	for _, name := range []string{"DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm", "ListenAndServe"} {
		out = append(out, home{"net/http", name, nil, "every client has its own transport and a time limit"})
	}
	for _, name := range []string{"WriteFile", "Create", "CreateTemp", "OpenFile", "Rename", "Link", "Symlink"} {
		out = append(out, home{"os", name, append(cmd, "internal/install"), "files of a run are written by internal/statedir, where links, owners and modes are checked; a command may write what its user names"})
	}
	return append(out,
		home{"github.com/aws/aws-sdk-go-v2/config", "", []string{"internal/awssdk"}, "it reads AWS_ variables of the process's environment itself, as its users expect: in one place"},
		home{"meshtask/internal/testbed/", "", nil, "it is for tests, of this module and of e2e"},
		home{"os/signal", "", cmd, "one relay in main owns the signals; others are given a channel"},
		home{"os/exec", "", nil, "children are started by supervisor alone, or the reaper may take their status"},
		home{"os", "StartProcess", nil, "children are started by supervisor alone"},
		home{"syscall", "ForkExec", []string{"supervisor"}, "children are started by supervisor alone"},
		home{"syscall", "StartProcess", []string{"supervisor"}, "children are started by supervisor alone"},
		home{"syscall", "Wait4", []string{"supervisor"}, "only the reaper may take an exit status"},
		home{"golang.org/x/sys/unix", "Wait4", []string{"supervisor"}, "only the reaper may take an exit status"},
		home{"github.com/oklog/run", "", []string{"acl/daemon", "internal/task"}, "the group holds the top level only; order never lives in it"},
		home{"log", "", nil, "no global loggers: an hclog.Logger is handed in"},
		home{"log/slog", "", []string{"internal/secret"}, "one logger: hclog (a secret hides itself from slog too)"},
		home{"meshtask/internal/config", "", []string{"cmd/meshtask", "internal/plan", "internal/taskdef"}, "the configuration becomes a plan, and nothing behind the plan asks it again"},
		home{"testing", "", nil, "product code knows nothing of tests"},
		home{"time", "Sleep", nil, "a sleep cannot be stopped: select on a timer and ctx"},
	)
}

func TestHomes(t *testing.T) {
	rows := homes()
	for _, src := range parse(t, ".", product) {
		if strings.HasPrefix(src.dir, "internal/testbed/") {
			continue // it plays other people's processes and servers
		}
		for name, path := range imported(src.file) {
			for _, h := range rows {
				if !covers(h.pkg, path) || slices.Contains(h.homes, src.dir) {
					continue
				}
				if h.name == "" {
					t.Errorf("%s imports %s: %s", src.path, path, h.reason)
					continue
				}
				ast.Inspect(src.file, func(n ast.Node) bool {
					sel, ok := n.(*ast.SelectorExpr)
					if !ok || sel.Sel.Name != h.name {
						return true
					}
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
						t.Errorf("%s uses %s.%s: %s", src.at(sel), path, h.name, h.reason)
					}
					return true
				})
			}
		}
	}
}

// imported maps the names in a file to import paths.
func imported(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, imp := range f.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		name := path[strings.LastIndex(path, "/")+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		out[name] = path
	}
	return out
}
