// Package why says of one task's life what is wrong with it: one sentence of cause and one
// of what fixes it, by a table of the codes of package event.
//
// It decides by codes and facts, and quotes the words of others. It reads nothing, asks
// nobody, and knows no unit's insides.
package why

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
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
	if a.Said != "" {
		fmt.Fprintf(&b, "%s: \"%s\"\n", speaker(a.Unit), printable.Line(a.Said))
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

// speaker begins the line with the words of others.
func speaker(unit string) string {
	if unit == "envoy" || unit == "consul-agent" {
		return capital(name(unit)) + " said"
	}
	return "Quoted"
}

// Explain answers for one life by its gravest symptom.
func Explain(f Facts) state.Why {
	l := newLife(f)
	s := l.symptoms()[0]
	r, known := rowOf(s.code, s.facts)
	if !known { // of another version of meshtask
		s.code = event.GaveUp
		r, _ = rowOf(s.code, nil)
	}
	a := state.Why{State: l.sentence(s), Cause: s.cause(r.cause), Fix: s.expand(r.fix), Code: s.code, Unit: s.unit, Ms: s.ms, Note: f.Note}
	if r.quotes {
		a.Said = s.quote()
	}
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
	text  string // what is known of it, in our own words
	said  string // in the words of others
	what  string // of a wait: what for
	hint  string // of a wait: what usually fixes it
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
		return "Wrong when " + s.ends.Cause + " came: " + within(text)
	}
	return "Wrong when its end began: " + within(text)
}

// within is a sentence behind a colon: its first word is small, unless it is a name.
func within(text string) string {
	first, rest, _ := strings.Cut(text, " ")
	switch first {
	case "Envoy", "ECS", "TLS", "Consul", "AWS":
		return text
	}
	return strings.ToLower(first) + " " + rest
}

// unknown stands for a fact that an older log has not told.
const unknown = "what the log names"

// optional is what a template has only where it is known.
var optional = regexp.MustCompile(`\[\[(.*?)\]\]`)

// expand is the template with what is known of the symptom.
func (s symptom) expand(template string) string {
	template = optional.ReplaceAllStringFunc(template, func(part string) string {
		part, whole := optional.FindStringSubmatch(part)[1], true
		part = os.Expand(part, func(name string) string {
			text, ok := s.known(name)
			whole = whole && ok && text != ""
			return text
		})
		if !whole {
			return ""
		}
		return strings.ReplaceAll(part, "$", "$$")
	})
	return os.Expand(template, func(name string) string {
		if name == "$" {
			return "$"
		}
		text, ok := s.known(name)
		if !ok {
			return unknown
		}
		return text
	})
}

// known is the value of a name in a template; false: nobody has told.
func (s symptom) known(of string) (string, bool) {
	fact, ok := s.facts[of]
	switch {
	case of == "text":
		return clip(strings.TrimSuffix(s.text, ".")), true
	case of == "unit":
		return name(s.unit), true
	case of == "Unit":
		return capital(name(s.unit)), true
	case of == "what" && s.what != "":
		return s.what, true
	case of == "hint" && s.hint == "":
		return "See the log lines of " + name(s.unit) + ".", true
	case of == "hint":
		return sentence(s.hint), true
	}
	return clip(strings.TrimSuffix(fact, ".")), ok
}

// quote is what others have said of it: one line, and not long.
func (s symptom) quote() string {
	text := cmp.Or(s.facts[event.FactSaid], s.facts["reason"], s.said)
	return strings.Trim(cut(text, longestQuote), " .,;:|")
}

// name is a unit as a sentence has it.
func name(unit string) string {
	switch unit {
	case "consul-agent":
		return "the Consul agent"
	case "envoy":
		return "Envoy"
	case "app":
		return "the app"
	case "token":
		return "the token"
	case "mesh-init":
		return "the registration"
	case "health-sync":
		return "the health sync"
	case "inbound":
		return "the public listener"
	case event.Task, "":
		return "the task"
	}
	return unit
}

// Docs is the table of all codes, in Markdown. What differs from task to task is in angle
// brackets.
func Docs() string {
	var b strings.Builder
	b.WriteString("| Code | Exit | Cause | Fix |\n|---|---|---|---|\n")
	mark := func(text string) string {
		text = strings.NewReplacer("[[", "", "]]", "", "|", "\\|").Replace(text)
		return os.Expand(text, func(name string) string { return "<" + strings.ToLower(name) + ">" })
	}
	rows, more := table(), cases()
	for _, code := range event.Codes() {
		exit := ""
		if n := code.Exit(); n != 0 {
			exit = fmt.Sprint(n)
		}
		all := []row{rows[code]}
		for _, name := range slices.Sorted(maps.Keys(more[code])) {
			all = append(all, more[code][name])
		}
		for _, r := range all {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", code, exit, mark(r.cause), mark(r.fix))
		}
	}
	return b.String()
}

// sentence makes a sentence of a unit's hint, which is a clause.
func sentence(hint string) string {
	if hint = capital(hint); hint == "" || strings.ContainsAny(hint[len(hint)-1:], ".?!") {
		return hint
	}
	return hint + "."
}

// capital is the text with a capital letter.
func capital(text string) string {
	if text == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}

const (
	longestText  = 400
	longestQuote = 200
)

// clip makes one line that is not endless.
func clip(text string) string { return cut(text, longestText) }

func cut(text string, longest int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
