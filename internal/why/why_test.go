package why

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/internal/journal"
)

var begin = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// record makes entries of "UNIT EVENT DETAIL", a second apart. "down" in front of one is
// its way.
func record(lines ...string) []journal.Entry {
	var all []journal.Entry
	way := journal.Up
	for i, line := range lines {
		f := strings.SplitN(line, " ", 3)
		e := journal.Entry{At: begin.Add(time.Duration(i) * time.Second), Ms: float64(i) * 1000, Way: way, Unit: f[0], Event: f[1]}
		if len(f) > 2 {
			e.Detail = f[2]
		}
		switch e.Event {
		case journal.Mark:
			e.Mark, e.Detail = e.Detail, ""
		case journal.Shutdown:
			way, e.Way = journal.Down, journal.Down
		}
		all = append(all, e)
	}
	return all
}

// with gives the last entry data.
func with(all []journal.Entry, kv ...any) []journal.Entry {
	e := &all[len(all)-1]
	e.Data = map[string]any{}
	for i := 0; i < len(kv); i += 2 {
		e.Data[kv[i].(string)] = kv[i+1]
	}
	return all
}

// exited is a life that ended with a code; unit is whose end was the cause.
func exited(code int, unit, reason string, before ...string) []journal.Entry {
	if unit != "" {
		reason = unit + ": " + reason
	}
	all := with(record(append(before, "task exit "+reason)...), "code", code)
	if unit != "" {
		all[len(all)-1].Data["unit"] = unit
	}
	return all
}

var upLife = []string{"consul-agent start", "envoy start", "app start", "app ready", "task mark T2"}

func TestEachCauseIsNamed(t *testing.T) {
	for _, c := range causes {
		got := Explain(Facts{Entries: c.entries})
		if got.Rule != c.rule {
			t.Errorf("%s: rule %s, want %s", last(c.entries), got.Rule, c.rule)
		}
		for _, word := range c.says {
			if !strings.Contains(got.String(), word) {
				t.Errorf("%s: no %q in\n%s", last(c.entries), word, got)
			}
		}
		clean(t, got)
	}
}

func last(all []journal.Entry) string {
	if len(all) == 0 {
		return "no entries"
	}
	return all[len(all)-1].Detail
}

// clean checks that an answer is one a person can read.
func clean(t *testing.T, a Answer) {
	t.Helper()
	for _, text := range []string{a.State, a.Cause, a.Fix} {
		if strings.ContainsAny(text, "$\n") || strings.Contains(text, "%!") || strings.Contains(text, ": .") || strings.Contains(text, "..") {
			t.Errorf("rule %s: %q", a.Rule, text)
		}
	}
	if a.Fix == "" && a.Rule != "nothing" {
		t.Errorf("rule %s: no fix for %q", a.Rule, a.Cause)
	}
}

// A kill for want of memory or time is why a code is 137, and is named before it.
func TestAKillIsNamedBeforeItsCode(t *testing.T) {
	oom := record(append(slices.Clone(upLife), "app step oom", "task exit app: app (pid 5) was ended by SIGKILL")...)
	oom[5].Data = map[string]any{"process": "app"}
	with(oom, "code", 137, "unit", "app")
	if got := Explain(Facts{Entries: oom}); got.Rule != "app-out-of-memory" || got.Ms != 5000 || *got.Exit != 137 {
		t.Errorf("%+v", got)
	}
	budget := record(append(slices.Clone(upLife), "task shutdown TERM", "app killed app", "app killed app", "task exit TERM")...)
	with(budget, "code", 137)
	budget[7].Data = map[string]any{"when": "27s after SIGTERM"}
	if got := Explain(Facts{Entries: budget}); got.Rule != "app-killed-at-budget" || !strings.Contains(got.Cause, "27s after SIGTERM") {
		t.Errorf("%+v", got)
	}
	envoy := record(append(slices.Clone(upLife), "envoy step oom", "envoy restart envoy (pid 9) was ended by SIGKILL", "task exit envoy: envoy: restart budget spent (1 within 1m): x")...)
	envoy[5].Data = map[string]any{"process": "envoy"}
	with(envoy, "code", 206, "unit", "envoy")
	if got := Explain(Facts{Entries: envoy}); got.Rule != "out-of-memory" || got.Unit != "envoy" {
		t.Errorf("%+v", got)
	}
	// A worker that was killed in a life that ended well is only a scar.
	scar := record(append(slices.Clone(upLife), "app step oom", "task exit TERM")...)
	if got := Explain(Facts{Entries: with(scar, "code", 0)}); got.Rule != "app-out-of-memory" || !strings.Contains(got.State, "exit 0") {
		t.Errorf("%+v", got)
	}
}

// A live task is asked who waits, and for how long.
func TestALiveTaskWaits(t *testing.T) {
	now := begin.Add(42 * time.Second)
	f := Facts{Entries: record("consul-agent start", "envoy start"), State: "STARTING", At: now, Waits: map[string]Wait{
		"envoy": {What: "envoy to listen on :20000", Since: begin.Add(time.Second), Hint: "look at envoy_public_listener_json",
			Err: `a listener was refused by Envoy: public_listener: Proto constraint validation failed`},
		"inbound": {What: "later", Since: begin.Add(2 * time.Second)},
	}}
	want := `The task has waited 41 s for envoy.
Envoy is connected, but its listener was refused: "public_listener: Proto constraint validation failed".
Fix: Check envoy_public_listener_json and the other listener settings in proxy.config, and the version of Envoy.
(rule xds-listener-rejected; seen at 42.0 s)
`
	if got := Explain(f).String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	f.Waits = map[string]Wait{"envoy": {What: "envoy to listen", Since: begin, Err: "state X: something new", Hint: "try this"}}
	if got := Explain(f); got.Rule != "envoy-not-ready" || got.Fix != "Try this." || !strings.Contains(got.Cause, "something new") {
		t.Errorf("%+v", got)
	}
	f.Waits = map[string]Wait{}
	if got := Explain(f); got.Rule != "nothing" || got.State != "The task is starting, 42 s after its start." {
		t.Errorf("%+v", got)
	}
}

// A task that cannot be asked yet is known by the last word of its record.
func TestATaskThatDoesNotAnswerYet(t *testing.T) {
	f := Facts{Entries: record("task waiting task metadata endpoint"), State: "STARTING", At: begin.Add(9 * time.Second)}
	with(f.Entries, "since", "5s", "error", "HTTP 500")
	got := Explain(f)
	if got.Rule != "metadata" || got.State != "The task has waited 14 s for its metadata endpoint." || !strings.Contains(got.Cause, "HTTP 500") {
		t.Errorf("%+v", got)
	}
}

// Nor does one that is about to end.
func TestATaskThatDoesNotAnswerAnyMore(t *testing.T) {
	f := Facts{Entries: record(append(slices.Clone(upLife), "task shutdown TERM")...), State: "STARTING", At: begin.Add(6 * time.Second)}
	if got := Explain(f); got.State != "The task is stopping, 6 s after its start." {
		t.Errorf("%+v", got)
	}
}

// What has healed, or was not clean, is told when nothing worse is.
func TestScarsAreTold(t *testing.T) {
	live := func(lines ...string) Facts {
		return Facts{Entries: record(append(slices.Clone(upLife), lines...)...), State: "RUNNING", At: begin.Add(2 * time.Hour)}
	}
	for want, f := range map[string]Facts{
		"nothing":          live(),
		"restarted":        live("envoy restart envoy (pid 9) was ended by SIGKILL"),
		"waited":           live("envoy waiting something: nobody knows"),
		"killed-at-budget": live("consul-agent killed consul-agent"),
	} {
		got := Explain(f)
		if want == "waited" { // the table has a word for a wait of Envoy
			want = "envoy-not-ready"
		}
		if got.Rule != want || !strings.Contains(got.State, "running, 2h0m") {
			t.Errorf("want %s, got %+v", want, got)
		}
	}
	cut := record(append(slices.Clone(upLife), "inbound step drained", "task exit TERM")...)
	cut[5].Data = map[string]any{"end": 4.0}
	if got := Explain(Facts{Entries: with(cut, "code", 0)}); got.Rule != "drain-cut" || !strings.Contains(got.Cause, "4 in flight") {
		t.Errorf("%+v", got)
	}
	left := record(append(slices.Clone(upLife), "consul-agent step left", "task exit TERM")...)
	left[5].Data = map[string]any{"result": "unverified", "reason": "no server can be reached"}
	if got := Explain(Facts{Entries: with(left, "code", 0)}); got.Rule != "leave-unverified" || !strings.Contains(got.Cause, "no server can be reached") {
		t.Errorf("%+v", got)
	}
	if got := Explain(Facts{Entries: record(upLife...), Silent: "context deadline exceeded"}); got.Rule != "silent" || got.State != "The task does not answer." {
		t.Errorf("%+v", got)
	}
}

// Whatever the symptom, some row knows it; and no row stands behind one that takes all it
// could.
func TestTheTableIsWhole(t *testing.T) {
	for k := gaveUp; k <= fine; k++ {
		for _, unit := range []string{"", "task", "token", "consul-agent", "mesh-init", "envoy", "health-sync", "inbound", "app"} {
			s := symptom{kind: k, code: 99, unit: unit, text: "what nobody has foreseen", hint: "a hint"}
			if !slices.ContainsFunc(table(), func(r rule) bool { _, ok := r.match(s); return ok }) {
				t.Errorf("no rule for kind %d of unit %q", k, unit)
			}
		}
	}
	rules, seen := table(), map[string]bool{}
	for i, r := range rules {
		if _, err := regexp.Compile(r.says); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		for _, earlier := range rules[:i] {
			if earlier.says == "" && (earlier.unit == "" || earlier.unit == r.unit) && (len(earlier.codes) == 0 || fmt.Sprint(earlier.codes) == fmt.Sprint(r.codes)) &&
				!slices.ContainsFunc(r.kinds, func(k kind) bool { return !slices.Contains(earlier.kinds, k) }) {
				t.Errorf("%s stands behind %s, which takes all of it", r.name, earlier.name)
			}
		}
		seen[r.name] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d rules", len(seen))
	}
}
