package outputs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"meshtask/internal/event"
	"meshtask/internal/outputs"
	"meshtask/internal/state"
	"meshtask/internal/task"
	"meshtask/internal/testbed/fits"
	"meshtask/lifecycle"
)

var update = flag.Bool("update", false, "write docs/schema anew")

// Each is a schema of draft 2020-12, and docs/schema has it as it is printed.
func TestSchemas(t *testing.T) {
	for _, name := range outputs.Names() {
		text, err := outputs.Schema(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource(name, doc); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Compile(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		file := filepath.Join("..", "..", "docs", "schema", name+".json")
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if published, err := os.ReadFile(file); err != nil || !bytes.Equal(published, text) {
			t.Errorf("docs/schema/%s.json is stale (%v): go test ./internal/outputs -update", name, err)
		}
	}
}

// What the program's types have is in the schemas, and nothing else.
func TestSchemasAreComplete(t *testing.T) {
	text, err := os.ReadFile("schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Defs map[string]struct {
			Properties map[string]any
			Required   []string
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]any{"status": task.Status{}, "why": state.Why{}, "summary": state.Summary{}, "place": task.Place{}, "stopStep": lifecycle.Step{},
		"condition": state.Condition{}, "unit": state.Unit{}, "wait": state.Wait{}, "drain": state.Drain{}, "life": state.Life{}} {
		members, always := tags(reflect.TypeOf(of))
		if got := slices.Sorted(maps.Keys(all.Defs[name].Properties)); !slices.Equal(got, members) {
			t.Errorf("%s has %v, the type %v", name, got, members)
		}
		if got := slices.Sorted(slices.Values(all.Defs[name].Required)); !slices.Equal(got, always) {
			t.Errorf("of %s %v are required, and of the type always there %v", name, got, always)
		}
	}
}

// tags are the members that a type has in JSON, and those that are always there.
func tags(of reflect.Type) (members, always []string) {
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		members = append(members, name)
		if !strings.Contains(options, "omit") {
			always = append(always, name)
		}
	}
	slices.Sort(members)
	slices.Sort(always)
	return members, always
}

// Every kind of event fits, with every member that it may have.
func TestEventsFit(t *testing.T) {
	facts := event.Facts{"address": "127.0.0.1"}
	for _, e := range []event.Event{
		event.Start{}, event.Ready{}, event.Stop{Moot: true}, event.Ended{Err: "x"}, event.Killed{Name: "app", PID: 1, Process: "p", When: "10s after TERM"},
		event.Exec{Name: "app", PID: 1}, event.Exit{Name: "app", PID: 1, Status: 137, Signal: "SIGKILL", PeakBytes: 1}, event.Restart{Reason: "r", N: 1, Max: 5},
		event.Serving{Again: true}, event.Hung{Err: "e"}, event.Answers{}, event.Suspended{Signal: "SIGTTIN", PID: 1, Fix: "f"}, event.Resumed{}, event.OutOfMemory{Process: "app", Kills: 1}, event.StopReason{Code: event.StoppedSpot, Facts: facts},
		event.Joined{Agent: "a"}, event.Registered{Service: "web"}, event.Listener{Address: "a"}, event.Passing{}, event.Critical{Reason: "r"}, event.AppHealthy{Check: true},
		event.AppUnhealthy{Reason: "r", Check: true}, event.Condition{Name: "n", OK: true, Healed: true, Code: "c", Reason: "r", Facts: facts}, event.Removed{},
		event.Drained{Start: 1, End: 1, Ms: 1, Protocol: "tcp", Why: "empty"}, event.Deregistered{Result: "verified"}, event.Left{Result: "skipped", Reason: "r", Ms: 1},
		event.Renewed{Accessor: "a"}, event.Lease{Name: "n", Unnoted: 1}, event.LeasesKept{Names: "a"}, event.LeaseEnded{Code: 1, Name: "n", Unnoted: 1}, event.LeaseLost{Name: "n"},
		event.LeaseRefused{Name: "n", Reason: "r"}, event.LeaseForgotten{Name: "n"}, event.Waiting{Code: "c", What: "w", Err: "e", Fix: "f", Facts: facts, Said: 1},
		event.Mark{Name: "T0"}, event.Shutdown{Cause: "TERM"}, event.Finish{Cause: "TERM", Code: 1, Unit: "app", Why: "c", Facts: facts},
	} {
		line, err := json.Marshal(event.Entry{Way: event.Up, Mark: "T0", Unit: "app", Event: e, Ms: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := fits.Schema("timeline", line); err != nil {
			t.Errorf("%T: %v", e, err)
		}
	}
	if err := fits.Schema("timeline", []byte(`{"v":1,"at":"2026-11-30T01:02:27Z","ms":1,"way":"up","unit":"app","event":"start","more":1}`)); err == nil {
		t.Error("a member that is not named fits")
	}
}

func TestUnknown(t *testing.T) {
	if err := outputs.Unknown("statsu"); !strings.Contains(err.Error(), "status, why, summary, timeline, log") {
		t.Error(err)
	}
}
