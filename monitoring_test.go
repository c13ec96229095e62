package meshtask_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/emf"
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/metrics"
	"meshtask/internal/state"
)

var update = flag.Bool("update", false, "write the generated parts of docs/monitoring.md")

// logFields are all fields of a line of the log in JSON, with what each means: those of every
// line first. The page and the schema are made of it.
func logFields() []struct{ name, means string } {
	return []struct{ name, means string }{
		{"@timestamp", "when, as RFC 3339 with microseconds"},
		{"@level", "`trace`, `debug`, `info`, `warn` or `error`"},
		{"@module", "`meshtask`, a part of it (`meshtask.envoy`), or the child whose line it is"},
		{"@message", "what happened: an event's name, or a sentence"},

		{"unit", "the unit that it is about: `token`, `consul-agent`, `mesh-init`, `envoy`, `health-sync`, `inbound`, `app`, or `task`"},
		{"mark", "the way and the mark that the unit's row belongs to, such as `up T1`"},
		{"of", "whose token: `service` or `agent`"},
		{"reached", "of `mark`: the way and the mark that was reached"},
		{"ms", "milliseconds: of `mark` since the process began, of `drained` and `left` how long it took"},
		{"cause", "of `shutdown`: what began the stop, a signal or an error; else a code of the closed set (`meshtask config docs --codes`)"},
		{"error", "what failed, in the words of who was asked"},
		{"reason", "why, in the words of who was asked"},
		{"hint", "what usually fixes it"},
		{"for", "of `waiting`: what the unit waits for; else for how long"},
		{"since", "of `waiting`: for how long"},
		{"exit", "the exit code"},
		{"how", "how a process or a unit ended"},
		{"what", "what was killed, or is left"},
		{"name", "of `condition`: which; of a lease: the container's name; else of a process or a variable"},
		{"ok", "of `condition`: whether it holds; of a check: whether it passes"},
		{"healed", "of `condition`: it did not hold before"},
		{"check", "`health.app` says so, not the app's readiness"},
		{"again", "of `serving`: after a restart"},

		{"pid", "of a process"},
		{"process", "a process that was killed or adopted, by name and pid"},
		{"processes", "several of them"},
		{"count", "how many"},
		{"status", "of `exit`: the process's status as a shell has it, 128+n for signal n"},
		{"signal", "the signal that ended or stopped a process"},
		{"peak_bytes", "of `exit`: the most memory that the process had resident; of `summary`: by unit"},
		{"kills", "of `oom`: how many processes the kernel killed"},
		{"restart", "of `restart`: the how manieth within the window"},
		{"max", "of `restart`: how many the window allows"},
		{"after", "of `restart`: the pause before; of a check: how long it took"},
		{"when", "of `killed`: how long behind the signal"},

		{"agent", "of `joined`: the address of an agent that someone else runs"},
		{"address", "of `listener`: where it is bound"},
		{"start", "of `drained`: how many were in flight when it began"},
		{"end", "of `drained`: how many were cut"},
		{"protocol", "of `drained`: http or tcp"},
		{"why", "of `drained`: why it ended, if not by itself; of `lease-refused`: why; of `summary`: code, cause and fix"},
		{"result", "of `deregistered` and `left`: verified, unverified or skipped"},
		{"node", "the agent's node"},
		{"joined", "how long ago the agent joined"},
		{"left", "how much is left"},
		{"accessor", "the accessor ID of an ACL token, never the token"},
		{"secret", "the reference to a secret, never what is in it"},
		{"code", "of `lease-ended`: the app's exit code"},
		{"names", "of `lease-kept`: the containers"},
		{"unnoted", "of leases: how many the like were not recorded before it"},
		{"fix", "what to do"},
		{"stop", "of `plan`: the stop budget, step by step"},
		{"path", "of `configuration`: the field"},
		{"warning", "of `configuration`: what is odd"},
		{"bootstrapDir", "the configured directory that cannot be used"},
		{"container", "whose health it is"},
		{"failures", "how many in a row"},
		{"service", "the service's ID or name"},
		{"consul", "its version"},
		{"envoy", "its version"},
		{"source", "of metrics: who did not give them"},
		{"expressions", "of Envoy's bootstrap: how many it has"},
		{"upstreams", "how many the service has"},
		{"cost", "what they cost Envoy"},
		{"because of", "why they are there"},
		{"unknown settings", "settings of the proxy that are not known"},
	}
}

// factField is the form of the fields of a cause: what its sentence needs.
const factField = "fact."

// samples are one event of each type, every field set.
func samples() []event.Event {
	facts := event.Facts{"upstream": "api"}
	return []event.Event{
		event.Start{}, event.Ready{}, event.Stop{Moot: true}, event.Ended{Err: "e"}, event.Killed{Name: "app", PID: 3, Process: "sleep", When: "10s after TERM"},
		event.Exec{Name: "app", PID: 3}, event.Exit{Name: "app", PID: 3, Status: 137, Signal: "SIGKILL", PeakBytes: 1}, event.Restart{Reason: "r", N: 1, Max: 5, After: time.Second},
		event.Serving{Again: true}, event.Hung{Err: "e"}, event.Answers{}, event.Suspended{Signal: "SIGSTOP", PID: 3, Fix: "f"}, event.Resumed{}, event.OutOfMemory{Process: "app", Kills: 1}, event.StopReason{Code: event.StoppedSpot, Facts: event.Facts{"reason": "r"}},
		event.Joined{Agent: "a"}, event.Registered{}, event.Listener{Address: "a"}, event.Passing{}, event.Critical{Reason: "r"}, event.AppHealthy{Check: true}, event.AppUnhealthy{Reason: "r", Check: true},
		event.Condition{Name: "upstream:api", Reason: "r", Code: event.UpstreamDenied, Facts: facts}, event.Condition{Name: "upstream:api", OK: true, Healed: true}, event.Removed{},
		event.Drained{Start: 1, End: 1, Ms: 1, Protocol: "http", Why: "maximum"}, event.Deregistered{Result: "verified"}, event.Left{Result: "verified", Reason: "r", Ms: 1},
		event.Renewed{Accessor: "a"}, event.Lease{Name: "web", Unnoted: 1}, event.LeasesKept{Names: "web"}, event.LeaseEnded{Name: "web", Code: 1}, event.LeaseLost{Name: "web"},
		event.LeaseRefused{Name: "web", Reason: "r"}, event.LeaseForgotten{Name: "web"}, event.Waiting{Code: event.Waits, What: "w", Err: "e", Fix: "f", Facts: facts, Since: time.Second, Said: 1},
		event.WaitOver{}, event.Mark{Name: "T2"}, event.Shutdown{Cause: "TERM"}, event.Finish{Cause: "TERM"},
	}
}

// logLines is the log in JSON of a life in which everything happens.
func logLines(t *testing.T) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Name: "meshtask", Level: hclog.Trace, Output: &out, JSONFormat: true})
	sink := journal.Log(log)
	for _, e := range samples() {
		sink(event.Entry{At: time.Now(), Ms: 1, Way: event.Up, Mark: "T1", Unit: "envoy", Event: e})
	}
	s := state.New("app").Summary
	s.App, s.Why = "exit 0", &state.Why{Code: event.OK}
	log.Info("summary", s.Pairs()...)
	for line := range bytes.Lines(out.Bytes()) {
		var doc map[string]any
		if err := json.Unmarshal(line, &doc); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, doc)
	}
	return lines
}

// Every type of event is among the samples, or the test below would not see its fields.
func TestSamplesAreComplete(t *testing.T) {
	have := map[string]bool{}
	for _, e := range samples() {
		have[reflect.TypeOf(e).Name()] = true
	}
	for _, src := range parse(t, "internal/event", product) {
		for _, decl := range src.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "words" {
				continue
			}
			if name := f.Recv.List[0].Type.(*ast.Ident).Name; !have[name] {
				t.Errorf("%s: no sample of %s", src.at(f), name)
			}
		}
	}
}

// The log has the fields of the table, and no others.
func TestEveryLogFieldIsDocumented(t *testing.T) {
	used := loggedKeys(t)
	for _, line := range logLines(t) {
		for key := range line {
			used[key] = "the record's line " + fmt.Sprint(line["@message"])
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[state.Summary]()) {
		delete(used, jsonName(f)) // has a table of its own; some are in this one as well
	}
	told := map[string]bool{}
	for _, f := range logFields() {
		if told[f.name] {
			t.Errorf("%q is there twice", f.name)
		}
		told[f.name] = true
	}
	for key, at := range used {
		if !told[key] && !strings.HasPrefix(key, factField) {
			t.Errorf("%s logs %q, which has no row in logFields", at, key)
		}
	}
	all := loggedKeys(t)
	for _, line := range logLines(t) {
		for key := range line {
			all[key] = ""
		}
	}
	for name := range told {
		if _, ok := all[name]; !ok {
			t.Errorf("%q is in logFields, and nobody logs it", name)
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// summaryFields are those of the summary: of its line, and of summary.json.
func summaryFields() [][2]string {
	return [][2]string{
		{"exit", "the exit code"}, {"reason", "what began the end: a signal, or an error"}, {"marks", "way → mark → milliseconds since the process began"},
		{"restarts", "by unit that has a process"}, {"drain", "`start` in flight when it began, `end` cut, `ms` how long"}, {"deregistered", "verified, unverified or skipped"},
		{"left", "whether the agent's node has left the cluster: likewise"}, {"killed", "units that were sent KILL"},
		{"peak_bytes", "by unit: the most memory that one process of it had resident. The kernel counts from before the program was executed, so it is never below meshtask's own size, about 17 MB"},
		{"units", "by unit: when it was started, ready, asked to stop and ended, and its steps, in milliseconds since the process began"}, {"oom", "whose end the kernel's kill for want of memory was"}, {"app", "how the app ended"}, {"why", "`code`, `cause`, `fix`, `state`, `unit`, `exit`, `ms`, `checked`: what `meshtask why` says"},
	}
}

// generated are the parts of docs/monitoring.md that are made, by name.
func generated() map[string]string {
	out := map[string]string{}
	var b strings.Builder
	end := func(name string) { out[name] = b.String(); b.Reset() }
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range metrics.Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, code(m.Labels), m.Help)
	}
	end("metrics")
	for name, list := range map[string][]metrics.Allowed{"envoy": metrics.EnvoyMetrics(), "agent": metrics.AgentMetrics()} {
		b.WriteString("| names | for |\n|---|---|\n")
		for _, a := range list {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Replace(a.Names, "*", "…", 1), a.Reason)
		}
		end(name)
	}
	for name, list := range map[string][]emf.Field{"emf interval": emf.IntervalFields(), "emf life": emf.LifeFields()} {
		b.WriteString("| metric | unit | meaning |\n|---|---|---|\n")
		for _, f := range list {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Unit, f.Help)
		}
		end(name)
	}
	b.WriteString("| member | |\n|---|---|\n")
	for _, p := range emf.Properties() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.Name, p.Help)
	}
	end("emf properties")
	b.WriteString("| field | meaning |\n|---|---|\n")
	for _, f := range logFields() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.means)
	}
	fmt.Fprintf(&b, "| `%sNAME` | what the sentence of the cause needs, such as `fact.upstream` |\n", factField)
	end("log")
	b.WriteString("| field | meaning |\n|---|---|\n")
	for _, f := range summaryFields() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f[0], f[1])
	}
	end("summary")
	return out
}

func code(names []string) string {
	if len(names) == 0 {
		return "–"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

// The page says what the program does.
func TestMonitoringPageIsCurrent(t *testing.T) {
	var fields []string
	for _, f := range summaryFields() {
		fields = append(fields, f[0])
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[state.Summary]()) {
		if !slices.Contains(fields, jsonName(f)) {
			t.Errorf("summaryFields has no %s", jsonName(f))
		}
	}
	const page = "docs/monitoring.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	now := string(text)
	for name, part := range generated() {
		begin, end := "<!-- generated: "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(now, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no part %q", page, name)
		}
		now = before + begin + part + end + after
	}
	switch {
	case *update:
		if err := os.WriteFile(page, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	case now != string(text):
		t.Errorf("%s is stale: run go test . -run Monitoring -update", page)
	}
}

// loggedKeys are the keys of every pair that a task's packages hand to a logger, by where.
func loggedKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for _, src := range parse(t, ".", product) {
		if strings.HasPrefix(src.dir, "acl") || strings.HasPrefix(src.dir, "internal/testbed") || src.dir == "conformance" {
			continue // the controller's log is another one
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !isLogger(sel.X) {
				return true
			}
			first := map[string]int{"Trace": 1, "Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "Log": 2, "With": 0}
			if from, ok := first[sel.Sel.Name]; ok && len(call.Args) > from {
				for _, key := range keysOf(call.Args[from:]) {
					keys[key] = src.at(n)
				}
			}
			return true
		})
	}
	return keys
}

func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log" || x.Name == "Log"
	case *ast.SelectorExpr:
		return x.Sel.Name == "log" || x.Sel.Name == "Log"
	}
	return false
}

// keysOf are the constant keys of pairs, those of an append too.
func keysOf(args []ast.Expr) (keys []string) {
	if call, ok := args[0].(*ast.CallExpr); ok && len(args) == 1 {
		if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "append" {
			args = call.Args
		}
		if list, ok := args[0].(*ast.CompositeLit); ok {
			args = list.Elts
		}
	}
	for i := 0; i < len(args); i += 2 {
		if text, ok := args[i].(*ast.BasicLit); ok && text.Kind == token.STRING {
			key, _ := strconv.Unquote(text.Value)
			keys = append(keys, key)
		}
	}
	return keys
}
