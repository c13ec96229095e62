// Package why says of one task's life what is wrong with it: one sentence of cause and one
// of what mends it, by a table of the codes of package event.
//
// It decides by codes and facts, and quotes the words of others. It reads nothing, asks
// nobody, and knows no unit's insides.
package why

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"meshtask/internal/event"
	"meshtask/internal/printable"
	"meshtask/internal/state"
)

// Facts are what is known of one life.
type Facts struct {
	State  *state.State
	Phase  string    // STARTING, RUNNING or STOPPING of a task that is there; "" when it is gone
	Silent string    // why a task that is there does not answer; "" when it does, or is gone
	Note   string    // what to know of the record itself; "" nothing
	At     time.Time // when Phase was so
}

// Of is the one cause of a task that speaks of itself, now or at its end.
func Of(s *state.State) state.Why {
	f := Facts{State: s, At: time.Now()}
	if s.Finished == nil {
		f.Phase = s.Phase()
	}
	return Explain(f)
}

// Text is an answer as a person reads it.
func Text(a state.Why) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", printable.Line(a.State), printable.Line(a.Cause))
	if a.Fix != "" {
		fmt.Fprintf(&b, "Fix: %s\n", printable.Line(a.Fix))
	}
	if len(a.Checked) > 0 {
		fmt.Fprintf(&b, "Found good: %s.\n", printable.Line(strings.Join(a.Checked, ", ")))
	}
	fmt.Fprintf(&b, "(code %s; seen at %.1f s)\n", printable.Line(string(a.Code)), a.Ms/1000)
	if a.Note != "" {
		fmt.Fprintf(&b, "Note: %s\n", printable.Line(a.Note))
	}
	return b.String()
}

// Explain answers for one life by its gravest symptom.
func Explain(f Facts) state.Why {
	l := newLife(f)
	s := l.symptoms()[0]
	rows := table()
	r, known := rows[s.code]
	if !known { // of another version of meshtask
		s.code = event.GaveUp
		r = rows[s.code]
	}
	a := state.Why{State: l.sentence(s), Cause: s.cause(r.cause), Fix: s.expand(r.fix), Code: s.code, Unit: s.unit, Ms: s.ms, Note: f.Note}
	a.Checked = l.checked()
	if end := l.s.Finished; end != nil && end.Code != event.UnknownCode {
		a.Exit = &end.Code
	}
	return a
}

// symptom is one thing that is wrong, or the one that all is well.
type symptom struct {
	code  event.Code
	unit  string // "" when it is about the task
	text  string // what is known of it, in its own words
	hint  string // of a wait: what usually mends it
	facts event.Facts
	ms    float64
	since time.Time // of a wait
	now   bool      // it waits for it now

	past bool          // it was so when the stop began, or when the record breaks off
	ends *event.Finish // how the task has ended then
}

// cause is the sentence of cause.
func (s symptom) cause(template string) string {
	text := s.expand(template)
	switch {
	case !s.past:
		return text
	case s.ends != nil && asked(*s.ends):
		return "This was so when " + s.ends.Cause + " came: " + text
	}
	return "This was so when its end began: " + text
}

// unknown stands for a fact that an older log has not told.
const unknown = "what the log names"

func (s symptom) expand(text string) string {
	return os.Expand(text, func(name string) string {
		fact, ok := s.facts[name]
		switch {
		case name == "text":
			return clip(strings.TrimSuffix(s.text, "."))
		case name == "unit":
			return s.unit
		case name == "hint" && s.hint == "":
			return "See the log lines of " + s.unit + "."
		case name == "hint":
			return sentence(s.hint)
		case ok:
			return clip(strings.TrimSuffix(fact, "."))
		}
		return unknown
	})
}

// Docs is the table of all codes, in Markdown. What differs from task to task is in angle
// brackets.
func Docs() string {
	var b strings.Builder
	b.WriteString("| Code | Exit | Cause | Fix |\n|---|---|---|---|\n")
	mark := func(text string) string {
		text = os.Expand(text, func(name string) string { return "<" + name + ">" })
		return strings.ReplaceAll(text, "|", "\\|")
	}
	rows := table()
	for _, code := range event.Codes() {
		exit := ""
		if n := code.Exit(); n != 0 {
			exit = fmt.Sprint(n)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", code, exit, mark(rows[code].cause), mark(rows[code].fix))
	}
	return b.String()
}

// sentence makes a sentence of a unit's hint, which is a clause.
func sentence(hint string) string {
	if hint == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(hint)
	hint = string(unicode.ToUpper(r)) + hint[n:]
	if strings.ContainsAny(hint[len(hint)-1:], ".?!") {
		return hint
	}
	return hint + "."
}

// clip makes one line that is not endless.
func clip(text string) string {
	const maxLen = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxLen {
		text = strings.ToValidUTF8(text[:maxLen], "") + "…"
	}
	return text
}
