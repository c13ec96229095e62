package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"meshtask/internal/emf"
	"meshtask/internal/event"
	"meshtask/internal/metrics"
)

func observability(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("observability", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every metric that dashboard and rules name is one that a scrape can have.
func TestObservedMetricsExist(t *testing.T) {
	ours := map[string]bool{}
	for _, m := range metrics.Table() {
		ours[m.Name] = true
	}
	envoy, agent := metrics.Keep(metrics.EnvoyMetrics()), metrics.Keep(metrics.AgentMetrics())
	for _, file := range []string{"grafana-dashboard.json", "prometheus-rules.yaml"} {
		found := map[string]bool{}
		for _, e := range expressions(t, file) {
			e = regexp.MustCompile(`\{[^}]*\}|\b(by|on|group_left) \([^)]*\)`).ReplaceAllString(e, " ") // labels
			for _, name := range regexp.MustCompile(`\b(?:meshtask|envoy|consul)_\w+`).FindAllString(e, -1) {
				found[name] = true
				bare := strings.TrimSuffix(name, "_bucket")
				if !ours[name] && !envoy(bare) && !agent(name) {
					t.Errorf("%s: there is no metric %s", file, name)
				}
			}
		}
		if len(found) < 10 {
			t.Errorf("%s: only %v were found", file, slices.Sorted(maps.Keys(found)))
		}
	}
}

// expressions are those of a dashboard's targets, or of rules.
func expressions(t *testing.T, file string) (out []string) {
	t.Helper()
	text := observability(t, file)
	if strings.HasSuffix(file, ".json") {
		for _, p := range board(t).Panels {
			for _, target := range p.Targets {
				out = append(out, target.Expr)
			}
		}
		return out
	}
	for _, m := range regexp.MustCompile(`(?m)^        expr: (\|\n(?:          .*\n)+|.*\n)`).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Panels        []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		Datasource               *struct{ Type, UID string }
		Targets                  []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct{ Name, Type string }
	}
}

func board(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(observability(t, "grafana-dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The dashboard is one that Grafana takes: panels of known types with numbers of their own, side by side in its 24
// columns, each with queries of the chosen data source and a text.
func TestDashboard(t *testing.T) {
	d := board(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("%q %q %d", d.Title, d.UID, d.SchemaVersion)
	}
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		if !slices.Contains([]string{"row", "stat", "table", "timeseries"}, p.Type) {
			t.Errorf("%s is of type %s", p.Title, p.Type)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Errorf("%s lies on %s, or beside the board", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 || p.Datasource == nil || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s has no text, no query or a data source of its own", p.Title)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.RefID == "" || refs[q.RefID] {
				t.Errorf("%s: query %q", p.Title, q.RefID)
			}
			refs[q.RefID] = true
			for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(q.Expr, -1) {
				if !variables[m[1]] {
					t.Errorf("%s: there is no variable %s", p.Title, m[1])
				}
			}
		}
	}
}

// What alerts and alarms lead to is a section of the runbook.
func TestAlertsLeadToTheRunbook(t *testing.T) {
	page, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors, titles := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^##+ (.+)$`).FindAllStringSubmatch(string(page), -1) {
		titles[m[1]] = true
		anchors[strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	n := 0
	for _, m := range regexp.MustCompile(`docs/runbook\.md#([\w-]+)`).FindAllStringSubmatch(observability(t, "prometheus-rules.yaml"), -1) {
		if n++; !anchors[m[1]] {
			t.Errorf("prometheus-rules.yaml: the runbook has no #%s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`docs/runbook\.md: ([^"]+)"`).FindAllStringSubmatch(observability(t, "alarms.yaml"), -1) {
		if n++; !titles[m[1]] {
			t.Errorf("alarms.yaml: the runbook has no section %q", m[1])
		}
	}
	if n < 20 {
		t.Errorf("only %d were found", n)
	}
}

// Alarms are on metrics that meshtask writes, or ECS.
func TestAlarmedMetricsExist(t *testing.T) {
	known := map[string]bool{"MemoryUtilization": true, "CPUUtilization": true} // of AWS/ECS
	for _, f := range append(emf.IntervalFields(), emf.LifeFields()...) {
		known[f.Name] = true
	}
	for file, want := range map[string]struct {
		pattern string
		alarms  int
	}{
		"observability/alarms.yaml":      {`MetricName: (\w+)`, 8},
		"terraform/mesh-service/main.tf": {`metric = "(\w+)"`, 3},
		"cdk/bin/shop.ts":                {`metricName: '(\w+)'`, 1},
	} {
		all := regexp.MustCompile(want.pattern).FindAllStringSubmatch(string(read(t, file)), -1)
		for _, m := range all {
			if !known[m[1]] {
				t.Errorf("%s: there is no metric %s", file, m[1])
			}
		}
		if len(all) < want.alarms {
			t.Errorf("%s: only %d alarms", file, len(all))
		}
	}
}

// Every field of a saved query is one of a line for CloudWatch, one of the log in JSON, one of CloudWatch's own, or
// a name that the query itself has given.
func TestQueriedFieldsExist(t *testing.T) {
	known := map[string]bool{"@timestamp": true, "@message": true, "@logStream": true} // CloudWatch's
	for _, word := range []string{"filter", "fields", "stats", "sort", "limit", "by", "as", "and", "or", "in", "like", "desc", "asc",
		"count", "latest", "max", "min", "avg", "sum", "pct", "bin", "5m"} {
		known[word] = true
	}
	for _, f := range append(emf.IntervalFields(), emf.LifeFields()...) {
		known[f.Name] = true
	}
	for _, p := range emf.Properties() {
		known[p.Name] = true
	}
	for name := range logProperties(t) {
		if strings.HasPrefix(name, "@") {
			name = "@" + name // as CloudWatch shows a field that begins so
		}
		known[name] = true
	}
	text := observability(t, "logs-insights.yaml")
	queries := regexp.MustCompile(`(?m)^      QueryString: \|\n((?:        .*\n?)+)`).FindAllStringSubmatch(text, -1)
	if len(queries) < 10 || len(queries) != strings.Count(text, "AWS::Logs::QueryDefinition\n") {
		t.Fatalf("%d queries", len(queries))
	}
	for _, q := range queries {
		bare := regexp.MustCompile(`"[^"]*"|/(?:\\.|[^/\n])+/`).ReplaceAllString(q[1], " ")
		own := map[string]bool{}
		for _, m := range regexp.MustCompile(` as (\w+)`).FindAllStringSubmatch(bare, -1) {
			own[m[1]] = true
		}
		for _, word := range regexp.MustCompile(`@*[A-Za-z]\w*|5m`).FindAllString(bare, -1) {
			if !known[word] && !own[word] {
				t.Errorf("no line has %s:\n%s", word, q[1])
			}
		}
		for _, m := range regexp.MustCompile(`@@message = "([^"]+)"`).FindAllStringSubmatch(q[1], -1) {
			if !messages()[m[1]] {
				t.Errorf("no line's message is %q", m[1])
			}
		}
	}
}

// messages are those of the record's lines that queries ask for.
func messages() map[string]bool {
	out := map[string]bool{}
	for _, e := range []event.Event{event.Condition{}, event.Waiting{}, event.Restart{}} {
		name, detail, _ := event.Words(e)
		if _, step := event.Step(e); step {
			name = detail
		}
		out[name] = true
	}
	return out
}

// logProperties are the fields of the log, as docs/monitoring.md has them.
func logProperties(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- generated: log -->")
	table, _, _ = strings.Cut(table, "<!-- end -->")
	out := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		out[m[1]] = true
	}
	if len(out) < 30 {
		t.Fatalf("%d fields", len(out))
	}
	return out
}

// The runbook has a row for each condition.
func TestRunbookHasEveryCondition(t *testing.T) {
	page, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## Conditions\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, name := range []string{event.CondAppReady, event.CondAppHealthy, event.CondEnvoyLive, event.CondListenerBound, event.CondAgentAlive, event.CondLeases, event.CondEnvoyConfigAccepted,
		event.CondUpstream, event.CondServiceToken, event.CondAgentToken, event.CondServersReachable, event.CondRegistered, event.CondCertificate, event.CondChecksPassing, event.CondMemory, event.CondStopBudget, event.CondRestarts} {
		if !strings.Contains(text, "| `"+name) {
			t.Errorf("no row for %s", name)
		}
	}
}
