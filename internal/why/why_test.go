package why

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

var begin = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// record makes entries of "UNIT EVENT DETAIL", a second apart; what comes after a shutdown is
// on the way down. A detail that ends in a JSON object has that as data.
func record(lines ...string) []event.Entry {
	var all []event.Entry
	way := event.Up
	for i, line := range lines {
		line, data, _ := strings.Cut(line, " {")
		if data != "" {
			data = "{" + data
		}
		f := append(strings.SplitN(line, " ", 3), "")
		if f[1] == "waiting" && data == "" {
			data = `{"said":1}` // as all that are recorded
		}
		ev, err := event.Parse(f[1], f[2], []byte(data))
		if err != nil {
			panic(line + ": " + err.Error())
		}
		e := event.Entry{At: begin.Add(time.Duration(i) * time.Second), Ms: float64(i) * 1000, Unit: f[0], Event: ev}
		switch ev.(type) {
		case event.Mark:
			e.Mark, e.Event = f[2], event.Mark{Name: f[2]}
		case event.Shutdown:
			way = event.Down
		}
		e.Way = way
		all = append(all, e)
	}
	return all
}

// unwell is a life that is up, has this happen, and is asked to stop.
func unwell(lines ...string) []string {
	return slices.Concat(upLife, lines, []string{"task shutdown TERM"})
}

// stopped is a life that is up, is asked to stop, and has this happen then.
func stopped(lines ...string) []string { return append(unwell(), lines...) }

// exited is a life that ended with a code; unit is whose end was the cause.
func exited(code int, unit, reason string, before ...string) []event.Entry {
	if unit != "" {
		reason = unit + ": " + reason
	}
	all := record(append(before, "task exit")...)
	all[len(all)-1].Event = event.Finish{Cause: reason, Code: code, Unit: unit}
	return all
}

// because gives the end of a life its code, with facts as pairs.
func because(life []event.Entry, code event.Code, facts ...string) []event.Entry {
	end := &life[len(life)-1]
	f := end.Event.(event.Finish)
	c := event.CauseOf(event.Because(code, errors.New(f.Cause), facts...))
	f.Why, f.Facts = c.Code, c.Facts
	end.Event = f
	return life
}

// of are the facts of a task that is gone.
func of(entries []event.Entry) Facts { return Facts{State: state.Of(entries)} }

var upLife = []string{"consul-agent start", "envoy start", "app start", "app ready", "task mark T2"}

func TestEachCauseIsNamed(t *testing.T) {
	for _, c := range causes {
		got := Explain(of(c.entries))
		if got.Code != c.code {
			t.Errorf("%s: code %s, want %s", last(c.entries), got.Code, c.code)
		}
		if f := state.Of(c.entries).Finished; f == nil || f.Code == event.UnknownCode {
			if got.Exit != nil {
				t.Errorf("%s: exit %d, which nobody knows", last(c.entries), *got.Exit)
			}
		} else if got.Exit == nil || *got.Exit != f.Code {
			t.Errorf("%s: exit %v, want %d", last(c.entries), got.Exit, f.Code)
		}
		if !got.Code.Known() {
			t.Errorf("%s: %s is none of the closed set", last(c.entries), got.Code)
		}
		for _, word := range c.says {
			if !strings.Contains(Text(got), word) {
				t.Errorf("%s: no %q in\n%s", last(c.entries), word, Text(got))
			}
		}
		clean(t, got)
	}
}

func last(all []event.Entry) string {
	if len(all) == 0 {
		return "no entries"
	}
	return fmt.Sprintf("%+v", all[len(all)-1].Event)
}

// clean checks that an answer is one a person can read.
func clean(t *testing.T, a state.Why) {
	t.Helper()
	for _, text := range []string{a.State, a.Cause, a.Fix} {
		if strings.ContainsAny(text, "$\n") || strings.Contains(text, "%!") || strings.Contains(text, ": .") || strings.Contains(text, "..") {
			t.Errorf("code %s: %q", a.Code, text)
		}
	}
	if a.Fix == "" && a.Code != event.OK {
		t.Errorf("code %s: no fix for %q", a.Code, a.Cause)
	}
}

// A kill for want of memory or time is why a code is 137, and is named before it.
func TestAKillIsNamedBeforeItsCode(t *testing.T) {
	oom := exited(137, "app", "app (pid 5) was ended by SIGKILL", append(slices.Clone(upLife), `app step oom {"process":"app"}`)...)
	if got := Explain(of(oom)); got.Code != "app-out-of-memory" || got.Ms != 5000 || *got.Exit != 137 {
		t.Errorf("%+v", got)
	}
	budget := exited(137, "", "TERM", append(slices.Clone(upLife), "task shutdown TERM", "app killed app", `app killed app {"when":"27s after SIGTERM"}`)...)
	if got := Explain(of(budget)); got.Code != "app-killed-at-budget" || !strings.Contains(got.Cause, "27s after SIGTERM") {
		t.Errorf("%+v", got)
	}
	envoy := because(exited(206, "envoy", "envoy: restart budget spent (1 within 1m): x",
		append(slices.Clone(upLife), `envoy step oom {"process":"envoy"}`, "envoy restart envoy (pid 9) was ended by SIGKILL")...), event.EnvoyRestartsSpent)
	if got := Explain(of(envoy)); got.Code != "out-of-memory" || got.Unit != "envoy" {
		t.Errorf("%+v", got)
	}
	// A worker that was killed in a life that ended well is only a scar.
	scar := exited(0, "", "TERM", append(slices.Clone(upLife), `app step oom {"process":"app"}`)...)
	if got := Explain(of(scar)); got.Code != "app-out-of-memory" || !strings.Contains(got.State, "exit 0") {
		t.Errorf("%+v", got)
	}
}

// A live task is asked who waits, and for how long.
func TestALiveTaskWaits(t *testing.T) {
	type wait struct {
		unit  string
		since time.Time
		event event.Waiting
	}
	live := func(waits ...wait) Facts {
		s := state.Of(record("consul-agent start", "envoy start"))
		for _, w := range waits {
			s.Apply(event.Entry{At: w.since, Ms: float64(w.since.Sub(begin).Milliseconds()), Way: event.Up, Unit: w.unit, Event: w.event})
		}
		return Facts{State: s, Phase: "STARTING", At: begin.Add(42 * time.Second)}
	}
	f := live(
		wait{"envoy", begin.Add(time.Second), event.Waiting{Code: event.ListenerRejected, Facts: event.Facts{"reason": "public_listener: Proto constraint validation failed"}, What: "envoy to listen on :20000", Fix: "look at envoy_public_listener_json",
			Err: `a listener was refused by Envoy: public_listener: Proto constraint validation failed`}},
		wait{"inbound", begin.Add(2 * time.Second), event.Waiting{What: "later"}})
	want := `The task has waited 41 s for Envoy.
Envoy has its configuration, but refuses the listener.
Fix: Check envoy_public_listener_json and the other listener settings in proxy.config, and the version of Envoy.
Envoy said: "public_listener: Proto constraint validation failed"
(code xds-listener-rejected; seen at 42.0 s)
`
	if got := Text(Explain(f)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	f = live(wait{"envoy", begin, event.Waiting{Code: event.EnvoyNotReady, What: "envoy to listen", Err: "state X: something new", Fix: "try this"}})
	if got := Explain(f); got.Code != "envoy-not-ready" || !strings.Contains(got.Fix, "envoy.readyTimeout") || !strings.Contains(got.Cause, "something new") {
		t.Errorf("%+v", got)
	}
	f = live()
	if got := Explain(f); got.Code != "ok" || got.State != "The task is starting, 42 s after its start." {
		t.Errorf("%+v", got)
	}
}

// Who waits longest comes first, whichever unit said so last; the table's order is no tie.
func TestTheLongestWaitIsNamed(t *testing.T) {
	s := state.Of(record("health-sync start", "inbound start", `health-sync waiting the agent {"since":"1s","said":1}`, `inbound waiting envoy {"since":"3s","said":1}`))
	if got := Explain(Facts{State: s, Phase: "STARTING", At: begin.Add(9 * time.Second)}); got.Unit != "inbound" || got.State != "The task has waited 9 s for the public listener." {
		t.Errorf("%+v", got)
	}
}

// A task that cannot be asked yet is known by the last word of its record.
func TestATaskThatDoesNotAnswerYet(t *testing.T) {
	entries := record(`task waiting task metadata endpoint {"said":1,"since":"5s","error":"HTTP 500","code":"metadata"}`)
	got := Explain(Facts{State: state.Of(entries), Phase: "STARTING", At: begin.Add(9 * time.Second)})
	if got.Code != "metadata" || got.State != "The task has waited 14 s for its metadata endpoint." || got.Said != "HTTP 500" {
		t.Errorf("%+v", got)
	}
}

// Nor does one that is about to end.
func TestATaskThatDoesNotAnswerAnyMore(t *testing.T) {
	entries := record(append(slices.Clone(upLife), "task shutdown TERM")...)
	f := Facts{State: state.Of(entries), Phase: "STARTING", At: begin.Add(6 * time.Second)}
	if got := Explain(f); got.State != "The task is stopping, 6 s after its start." {
		t.Errorf("%+v", got)
	}
}

// A task speaks of itself by the same rules, now and at its end.
func TestATaskSpeaksOfItself(t *testing.T) {
	s := state.Of(record(upLife...))
	if got := Of(s); got.Code != "ok" || got.Exit != nil || !strings.HasPrefix(got.State, "The task is running, ") {
		t.Errorf("%+v", got)
	}
	s.Apply(event.Entry{At: begin.Add(9 * time.Second), Ms: 9000, Way: event.Up, Unit: event.Task,
		Event: event.Finish{Cause: "app (pid 5) exited with 7", Code: 7, Unit: "app"}})
	if got := Of(s); got.Code != "app-failed" || got.Exit == nil || *got.Exit != 7 || got.State != "The task ended with exit 7 (the app's own), 2026-11-25 00:00:09 UTC." {
		t.Errorf("%+v", got)
	}
}

// What has healed, or was not clean, is told when nothing worse is.
func TestScarsAreTold(t *testing.T) {
	live := func(lines ...string) Facts {
		return Facts{State: state.Of(record(append(slices.Clone(upLife), lines...)...)), Phase: "RUNNING", At: begin.Add(2 * time.Hour)}
	}
	for want, f := range map[event.Code]Facts{
		"ok":               live("envoy waiting something: nobody knows", `envoy waiting its admin interface {"code":"envoy-admin","said":1}`, "envoy waited"), // it is over
		"restarted":        live("envoy restart envoy (pid 9) was ended by SIGKILL"),
		"killed-at-budget": live("consul-agent killed consul-agent"),
	} {
		got := Explain(f)
		if got.Code != want || !strings.Contains(got.State, "running, 2h0m") {
			t.Errorf("want %s, got %+v", want, got)
		}
	}
	cut := exited(0, "", "TERM", append(slices.Clone(upLife), `inbound step drained {"end":4}`)...)
	if got := Explain(of(cut)); got.Code != "drain-cut" || !strings.Contains(got.Cause, "4 requests") {
		t.Errorf("%+v", got)
	}
	left := exited(0, "", "TERM", append(slices.Clone(upLife), `consul-agent step left {"result":"unverified","reason":"no server can be reached"}`)...)
	if got := Explain(of(left)); got.Code != "leave-unverified" || got.Said != "no server can be reached" {
		t.Errorf("%+v", got)
	}
	silent := of(record(upLife...))
	silent.Silent = "context deadline exceeded"
	if got := Explain(silent); got.Code != "silent" || got.State != "The task does not answer." {
		t.Errorf("%+v", got)
	}
}

// Each code has one sentence and one fix, and says nothing that no code or fact stands for.
func TestTheTableIsWhole(t *testing.T) {
	rows := table()
	if len(rows) != len(event.Codes()) {
		t.Errorf("%d rows for %d codes", len(rows), len(event.Codes()))
	}
	for _, code := range event.Codes() {
		r, ok := rows[code]
		if !ok || r.cause == "" || r.fix == "" && code != event.OK {
			t.Errorf("%s: %+v", code, r)
			continue
		}
		s := symptom{code: code, unit: "envoy", text: "its text", hint: "a hint"}
		clean(t, state.Why{Code: code, Cause: s.expand(r.cause), Fix: s.expand(r.fix)})
		if !strings.Contains(Docs(), "| `"+string(code)+"` |") {
			t.Errorf("%s is not in the documentation", code)
		}
	}
}

// A code of another version is still an end that is told.
func TestACodeThatIsNotKnown(t *testing.T) {
	got := Explain(of(because(exited(204, "envoy", "something new"), "of-tomorrow")))
	if got.Code != event.GaveUp || !strings.Contains(got.Cause, "something new") {
		t.Errorf("%+v", got)
	}
}

// An exit code is no signal where the record says so.
func TestAnExitCodeIsNoSignal(t *testing.T) {
	got := Explain(of(exited(130, "app", "app (pid 5) exited with 130", append(slices.Clone(upLife), `app step exit {"pid":5,"status":130}`)...)))
	if got.Code != event.AppFailed {
		t.Errorf("%+v", got)
	}
}

// An app that is stopped is told while it is, before whatever else waits for it.
func TestAnAppThatIsStopped(t *testing.T) {
	stopped := append(slices.Clone(upLife), `app waiting tcp 127.0.0.1:8080 {"said":1,"code":"app-not-ready-tcp"}`, `app step suspended {"signal":"SIGTTIN","pid":7}`)
	got := Explain(Facts{State: state.Of(record(stopped...)), Phase: "RUNNING", At: begin.Add(time.Minute)})
	if got.Code != event.AppSuspended || got.Unit != "app" || !strings.Contains(got.Cause, "stopped by SIGTTIN") || !strings.Contains(got.Fix, "kill -CONT") {
		t.Errorf("%+v", got)
	}
	clean(t, got)
	goes := state.Of(record(append(slices.Clone(upLife), `app step suspended {"signal":"SIGTTIN","pid":7}`, "app step resumed")...))
	if got := Explain(Facts{State: goes, Phase: "RUNNING", At: begin.Add(time.Minute)}); got.Code != event.OK {
		t.Errorf("when it goes on: %+v", got)
	}
}

// One that hangs is told while it does.
func TestAUnitThatHangs(t *testing.T) {
	s := state.Of(record(append(slices.Clone(upLife), `envoy step hung {"error":"no answer to 2 questions"}`)...))
	if got := Explain(Facts{State: s, Phase: "RUNNING", At: begin.Add(time.Minute)}); got.Code != event.Hangs || got.Unit != "envoy" || got.Cause != "Envoy runs, but does not answer." {
		t.Errorf("%+v", got)
	}
}
