package journal

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// Log is the sink that writes the log. Info tells a life in some fifteen lines: what was
// reached, and what was waited for. What follows from those lines, or stands in the summary, is
// at debug. Read takes these lines back.
func Log(log hclog.Logger) func(event.Entry) {
	return func(e event.Entry) {
		name, detail, data := event.Words(e.Event)
		pairs := func(more ...any) []any {
			out := []any{"unit", e.Unit}
			if e.Mark != "" {
				out = append(out, "mark", e.Way+" "+e.Mark)
			}
			return append(append(out, dataPairs(data)...), exact(more)...)
		}
		switch ev := e.Event.(type) {
		case event.Mark:
			told := e.Way == event.Up && ev.Name != "T1" // the others stand beside the steps that they are
			log.Log(either(told, hclog.Info, hclog.Debug), name, "reached", e.Way+" "+ev.Name, "ms", json.Number(strconv.FormatFloat(e.Ms, 'f', -1, 64)))
		case event.Shutdown:
			log.Info(name, exact([]any{"cause", ev.Cause})...)
		case event.Ready: // of the others a step tells it: joined, registered, listener, passing
			log.Log(either(e.Unit == "app", hclog.Info, hclog.Debug), name, pairs()...)
		case event.Ended:
			if ev.Err != "" {
				log.Info(name, pairs("how", ev.Err)...)
				return
			}
			log.Debug(name, pairs()...)
		case event.Critical: // in a stop it is what was asked for
			log.Log(either(e.Way == event.Up, hclog.Warn, hclog.Debug), detail, pairs()...)
		case event.Deregistered:
			log.Log(either(ev.Result == state.Unverified, hclog.Warn, hclog.Debug), detail, pairs()...)
		case event.AppUnhealthy: // without a check of its own it is not ready, which has lines of its own
			log.Log(either(ev.Check, hclog.Warn, hclog.Debug), detail, pairs()...)
		case event.AppHealthy:
			log.Log(either(ev.Check, hclog.Info, hclog.Debug), detail, pairs()...)
		case event.Condition:
			level := either(ev.Healed, hclog.Info, hclog.Debug)
			log.Log(either(ev.OK, level, hclog.Warn), detail, condition(e, ev)...)
		case event.Serving:
			log.Log(either(ev.Again, hclog.Info, hclog.Debug), detail, pairs()...)
		case event.Exec, event.Exit:
			log.Debug(detail, pairs()...)
		case event.Hung, event.Suspended:
			log.Warn(detail, pairs()...)
		case event.Restart:
			log.Warn(name, pairs("reason", ev.Reason)...)
		case event.Killed:
			log.Warn(name, pairs("what", ev.Name)...)
		case event.Waiting:
			wait := exact([]any{"unit", e.Unit, "for", ev.What, "since", ev.Since.String(), "error", ev.Err, "hint", ev.Fix})
			log.Info(name, append(wait, Because(ev.Code, ev.Facts)...)...)
		case event.StopReason:
			log.Info(detail, append([]any{"unit", e.Unit}, Because(ev.Code, ev.Facts)...)...)
		case event.Finish: // has a line of its own
		case event.Start, event.Stop:
			log.Debug(name, pairs()...)
		default:
			log.Info(detail, pairs()...)
		}
	}
}

func either(so bool, level, otherwise hclog.Level) hclog.Level {
	if so {
		return level
	}
	return otherwise
}

// condition is a condition as the log has it.
func condition(e event.Entry, c event.Condition) []any {
	out := exact([]any{"unit", e.Unit, "mark", e.Way + " " + e.Mark, "name", c.Name, "ok", c.OK})
	if c.Healed {
		out = append(out, "healed", true)
	}
	if c.Reason != "" {
		out = append(out, exact([]any{"reason", c.Reason})...)
	}
	return append(out, Because(c.Code, c.Facts)...)
}

// GaveUp writes the line of a task that is given up: its exit code, the unit that it is for,
// and why.
func GaveUp(log hclog.Logger, code int, unit string, err error) {
	pairs := []any{"exit", code, "unit", unit, "error", err.Error()}
	if c := event.CauseOf(err); c != nil {
		pairs = append(exact(pairs), Because(c.Code, c.Facts)...)
	}
	log.Error(logEnds, pairs...)
}

// Because is a cause's code with its facts as the log has them, "fact.NAME" each; nothing
// without a code.
func Because(code event.Code, facts event.Facts) []any {
	if code == "" {
		return nil
	}
	out := []any{"cause", string(code)}
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		out = append(out, factPrefix+name, facts[name])
	}
	return exact(out)
}

// CauseSuffix ends the one line of a run that did not begin; CutCause takes it off.
func CauseSuffix(code event.Code) string { return " (code " + string(code) + ")" }

// CutCause is a line without its CauseSuffix, and the code; "" where it has none.
func CutCause(line string) (text string, code event.Code) {
	i := strings.LastIndex(line, " (code ")
	if i < 0 || !strings.HasSuffix(line, ")") {
		return line, ""
	}
	if code = event.Code(line[i+len(" (code ") : len(line)-1]); !code.Known() {
		return line, ""
	}
	return line[:i], code
}

const factPrefix = "fact."

// dataPairs are an event's data as pairs, sorted. Its numbers are written as they are: a
// float64 of a million would be 1e+06.
func dataPairs(data []byte) []any {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return nil
	}
	var out []any
	for _, k := range slices.Sorted(maps.Keys(doc)) {
		out = append(out, k, doc[k])
	}
	return exact(out)
}

// exact has the words quoted that hclog would write bare, or with escapes that say something
// else, and a reader would take for a number, a list or another text.
func exact(pairs []any) []any {
	for i := 1; i < len(pairs); i += 2 {
		s, ok := pairs[i].(string)
		if !ok || strings.Contains(s, "\n") { // which has lines of its own
			continue
		}
		if _, err := strconv.ParseFloat(s, 64); err == nil || s == "true" || s == "false" || strings.HasPrefix(s, "[") || strings.Contains(s, `\`) {
			pairs[i] = hclog.Quote(s)
		}
	}
	return pairs
}
