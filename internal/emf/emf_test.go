package emf

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"meshtask/internal/event"
	"meshtask/internal/metrics"
	"meshtask/internal/state"
	"meshtask/internal/usage"
)

// specification is the JSON Schema of the format, as its page has it.
//
//go:embed testdata/emf.schema.json
var specification []byte

func valid(t *testing.T, text []byte) map[string]any {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(specification))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("emf.json", schema); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("emf.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	// What the specification asks for, and a schema cannot say: each target is there, a metric
	// as a number and a dimension as a text.
	for _, d := range out["_aws"].(map[string]any)["CloudWatchMetrics"].([]any) {
		d := d.(map[string]any)
		for _, m := range d["Metrics"].([]any) {
			name := m.(map[string]any)["Name"].(string)
			if _, ok := out[name].(float64); !ok {
				t.Errorf("metric %s is %v", name, out[name])
			}
		}
		for _, set := range d["Dimensions"].([]any) {
			for _, name := range set.([]any) {
				if s, ok := out[name.(string)].(string); !ok || s == "" {
					t.Errorf("dimension %s is %v", name, out[name.(string)])
				}
			}
		}
	}
	if bytes.ContainsRune(text, '\n') || text[0] != '{' || len(text) > 4096 {
		t.Errorf("no line for one write to a pipe: %d bytes\n%s", len(text), text)
	}
	return out
}

var id = Identity{Namespace: "Shop/Mesh", Cluster: "shop", Service: "web", Task: "5f2c", Version: "v1"}

func minute() Interval {
	before := metrics.Snapshot{Units: []state.Unit{{Unit: "envoy", Restarts: 1}}, OOM: 1, Writes: &metrics.Results{Failed: 2}, Requests: map[string]int64{"timeout": 1, "ok": 9},
		Processes: []usage.Usage{{Name: "app", CPU: 10}, {Name: "envoy", CPU: 5}}}
	now := metrics.Snapshot{Phase: "RUNNING", Up: true, Units: []state.Unit{{Unit: "envoy", Restarts: 3}}, OOM: 1, Writes: &metrics.Results{OK: 8, Failed: 3}, LinesLost: 2,
		Requests: map[string]int64{"timeout": 1, "status": 2, "ok": 60}, Uptime: 90500 * time.Millisecond,
		Conditions: []state.Condition{{Name: "app-ready", OK: true}, {Name: "upstream:api"}},
		Processes:  []usage.Usage{{Name: "meshtask", Memory: 17 << 20}, {Name: "app", CPU: 25, Memory: 1 << 30}, {Name: "envoy", CPU: 4}}}
	return Interval{Now: now, Before: &before, Passed: time.Minute}
}

func TestInterval(t *testing.T) {
	got := valid(t, minute().Line(id, time.UnixMilli(1_700_000_000_123)))
	aws := got["_aws"].(map[string]any)
	if aws["Timestamp"] != 1_700_000_000_123.0 {
		t.Errorf("at %v", aws["Timestamp"])
	}
	delete(got, "_aws")
	want := map[string]any{"Line": "interval", "Cluster": "shop", "Service": "web", "TaskId": "5f2c", "Version": "v1", "State": "RUNNING", "Failing": []any{"upstream:api"},
		"Up": 1.0, "Healthy": 0.0, "FailingConditions": 1.0, "Restarts": 2.0, "OutOfMemoryKills": 0.0, "SyncWriteFailures": 1.0, "MetadataFailures": 2.0, "LogLinesDropped": 2.0, "Uptime": 90.5,
		"MeshtaskMemory": float64(17 << 20), "AppMemory": float64(1 << 30), "AppCPU": 25.0, "EnvoyMemory": 0.0, "EnvoyCPU": 0.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The first line has no rates, and no counts of what came before the process began.
func TestFirstInterval(t *testing.T) {
	i := minute()
	i.Before, i.Passed = nil, 0
	got := valid(t, i.Line(id, time.Now()))
	if _, ok := got["AppCPU"]; ok || got["Restarts"] != 3.0 {
		t.Errorf("%v", got)
	}
}

// However many conditions fail, a line is one write.
func TestManyConditionsFail(t *testing.T) {
	i := minute()
	for range 200 {
		i.Now.Conditions = append(i.Now.Conditions, state.Condition{Name: "upstream:" + strings.Repeat("x", 64)})
	}
	if got := valid(t, i.Line(id, time.Now())); got["FailingConditions"] != 201.0 || len(got["Failing"].([]any)) != maxNames+1 {
		t.Errorf("%v", got["FailingConditions"])
	}
}

func TestLife(t *testing.T) {
	s := state.New("envoy").Summary
	s.Exit, s.Reason, s.Restarts, s.Killed, s.Left, s.OOM = 143, "TERM", map[string]int{"envoy": 3, "app": 0}, []string{"app"}, state.Unverified, "app"
	s.Marks[event.Up]["T2"] = 195.2
	s.Drain = state.Drain{Start: 12, End: 1, Ms: 412}
	s.PeakBytes = map[string]int64{"envoy": 61501440}
	s.Why = &state.Why{Code: event.DrainCut, Cause: "1 of 12 was cut.", Fix: "Give it more."}
	l := Life{Summary: s, Before: &metrics.Snapshot{Units: []state.Unit{{Restarts: 2}}, OOM: 1}, OOM: 3, Lasted: time.Hour, Stopped: 1500 * time.Millisecond, Interrupted: true}
	got := valid(t, l.Line(id, time.Now()))
	delete(got, "_aws")
	want := map[string]any{"Line": "life", "Cluster": "shop", "Service": "web", "TaskId": "5f2c", "Version": "v1", "Exit": 143.0, "Reason": "TERM", "Code": "drain-cut", "Cause": "1 of 12 was cut.", "Fix": "Give it more.",
		"Lives": 1.0, "FailedLives": 1.0, "StartTime": 0.195, "StopTime": 1.5, "LifeTime": 3600.0, "Restarts": 1.0, "OutOfMemoryKills": 2.0, "Killed": 1.0, "Unverified": 1.0,
		"DrainTime": 0.412, "DrainInFlight": 12.0, "DrainCut": 1.0, "EnvoyPeakMemory": 61501440.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.Reason, s.Why.Cause = strings.Repeat("ä", 5000), strings.Repeat("b", 5000)
	if got := valid(t, Life{Summary: s}.Line(id, time.Now())); len([]rune(got["Reason"].(string))) != maxText {
		t.Errorf("%v", got["Reason"])
	}
	good := Life{Summary: state.New().Summary}
	good.Summary.Why = &state.Why{Code: event.OK}
	if got := valid(t, good.Line(id, time.Now())); got["FailedLives"] != 0.0 || got["StopTime"] != nil || got["DrainTime"] != nil {
		t.Errorf("%v", got)
	}
}

// The units are of CloudWatch's set, and no metric has the name of a property.
func TestTables(t *testing.T) {
	for _, list := range [][]Field{IntervalFields(), LifeFields()} {
		seen := map[string]bool{}
		for _, p := range Properties() {
			seen[p.Name] = true
		}
		for _, f := range list {
			if !slices.Contains([]string{"Count", "Seconds", "Bytes", "Percent"}, f.Unit) || seen[f.Name] || f.Help == "" {
				t.Errorf("%+v", f)
			}
			seen[f.Name] = true
		}
	}
}

// A number that JSON does not have is left out.
func TestOddNumbers(t *testing.T) {
	rows := []row[int]{{Field{"A", "Count", ""}, func(int) (float64, bool) { return math.NaN(), true }}, {Field{"B", "Count", ""}, func(int) (float64, bool) { return 2, true }}}
	if got := valid(t, line(id, time.Now(), "interval", rows, 0, map[string]any{})); got["A"] != nil || got["B"] != 2.0 {
		t.Errorf("%v", got)
	}
}
