// Package why says of one task's life what is wrong with it: one sentence of cause and one
// of what mends it, by a table of rules.
//
// It knows the words of the record, of the waits and of the errors that name a cause. It
// reads nothing, asks nobody, and knows no unit's insides.
package why

import (
	"fmt"
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
	fmt.Fprintf(&b, "(code %s; seen at %.1f s)\n", printable.Line(string(a.Code)), a.Ms/1000)
	if a.Note != "" {
		fmt.Fprintf(&b, "Note: %s\n", printable.Line(a.Note))
	}
	return b.String()
}

// Explain answers for one life. Each symptom is looked up in the table, the gravest first;
// one that no row knows (there is none, by a test) leaves it to the next.
func Explain(f Facts) state.Why {
	l := newLife(f)
	for _, s := range withGeneral(l.symptoms()) {
		for _, r := range table() {
			if found, ok := r.match(s); ok {
				a := state.Why{State: l.sentence(s), Cause: r.expand(r.cause, s, found), Fix: r.expand(r.fix, s, found), Code: event.Code(r.name), Unit: s.unit, Ms: s.ms, Note: f.Note}
				if end := l.s.Finished; end != nil && end.Code != event.UnknownCode {
					a.Exit = &end.Code
				}
				return a
			}
		}
	}
	return state.Why{State: l.sentence(symptom{}), Cause: "Nothing in the record speaks of a failure or a wait.", Code: event.OK, Ms: l.last, Note: f.Note}
}

// withGeneral has each symptom with a code once more without it, for a code that has no row
// of the symptom's kind.
func withGeneral(symptoms []symptom) []symptom {
	var all []symptom
	for _, s := range symptoms {
		coded := s
		s.why = ""
		switch {
		case coded.why == "":
			all = append(all, s)
		case unitWide(coded.why): // what is known besides may say more
			all = append(all, s, coded)
		default:
			all = append(all, coded, s)
		}
	}
	return all
}

// unitWide holds for the codes that say which unit, and not yet why.
func unitWide(c event.Code) bool {
	return slices.Contains([]event.Code{event.Secret, event.ConsulNotJoined, event.Register, event.EnvoyNotReady, event.AppNotReady, event.MeshNotThere,
		event.ConfigBad, event.Metadata, event.Internal, event.StateDirectory, event.CommandNotExecutable, event.CommandNotFound, event.ConsulMissing, event.EnvoyMissing}, c)
}

// kind is what sort of thing a symptom is.
type kind int

const (
	gaveUp      kind = iota + 1 // meshtask ended the task, or never began it
	byItself                    // the app ended unasked
	told                        // the app's answer to a stop
	unstarted                   // it was stopped before it was up
	waiting                     // a unit does, or did when the record breaks off
	waited                      // and then it was over
	restarted                   // a unit was, code times
	killed                      // a unit was, by us
	outOfMemory                 // a unit was killed for it
	silent                      // it does not answer
	cutOff                      // the record has no end
	cut                         // requests were, at the end of the drain
	stays                       // something may have stayed in the catalog
	fine
)

// symptom is one thing that is wrong, or the one that all is well.
type symptom struct {
	kind kind
	code int    // of an end
	unit string // "" when it is about the task
	text string // what is known of it, in its own words
	hint string
	ms   float64

	why   event.Code // of what ended the task, or of what it waits for; "": not known
	facts event.Facts
	since time.Time // of a wait
}

// rule is a row of the table: it holds for a symptom that has all that it names.
type rule struct {
	name  string
	kinds []kind
	codes []int  // empty: any
	unit  string // "": any
	says  string // a pattern on the text; "": any
	cause string // $text, $unit, $hint, $code and $1… of the pattern
	fix   string
}

// match returns the groups of the pattern.
func (r rule) match(s symptom) ([]string, bool) {
	switch {
	case s.why != "":
		if string(s.why) != r.name || !slices.Contains(r.kinds, s.kind) {
			return nil, false
		}
		if r.says == "" {
			return nil, true
		}
		return regexp.MustCompile(r.says).FindStringSubmatch(s.text), true
	case !slices.Contains(r.kinds, s.kind),
		len(r.codes) > 0 && !slices.Contains(r.codes, s.code),
		r.unit != "" && r.unit != s.unit:
		return nil, false
	case r.says == "":
		return nil, true
	}
	found := regexp.MustCompile(r.says).FindStringSubmatch(s.text)
	return found, found != nil
}

func (r rule) expand(text string, s symptom, found []string) string {
	return os.Expand(text, func(name string) string {
		switch name {
		case "text":
			return clip(strings.TrimSuffix(s.text, "."))
		case "unit":
			return s.unit
		case "hint":
			return sentence(s.hint)
		case "code":
			return fmt.Sprint(s.code)
		}
		if fact, ok := s.facts[name]; ok {
			return clip(fact)
		}
		if len(name) == 1 && int(name[0]-'0') < len(found) {
			return clip(found[name[0]-'0'])
		}
		return ""
	})
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
	const most = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
