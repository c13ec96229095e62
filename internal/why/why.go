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

	"meshtask/internal/journal"
	"meshtask/internal/printable"
)

// Facts are what is known of one life.
type Facts struct {
	Entries []journal.Entry // its record, oldest first
	State   string          // STARTING, RUNNING or STOPPING; "" when the task is gone
	Silent  string          // why a task that is there does not answer; "" when it does, or is gone
	Note    string          // what to know of the record itself; "" nothing
	At      time.Time       // when State and Waits were so
	Waits   map[string]Wait // by unit: who waits at that moment; nil: it did not say
}

// Wait is what a unit waits for.
type Wait struct {
	What  string
	Since time.Time
	Err   string // the last try's
	Hint  string // what usually mends it
}

// Answer is the one cause that comes first.
type Answer struct {
	State string  `json:"state"`          // how it is with the task, or how it ended, in a sentence
	Cause string  `json:"cause"`          // in a sentence
	Fix   string  `json:"fix,omitempty"`  // "" where nothing is to be mended
	Rule  string  `json:"rule"`           // the row of the table
	Unit  string  `json:"unit,omitempty"` // whom it is about
	Exit  *int    `json:"exit,omitempty"` // of a task that has ended, when it is known
	Ms    float64 `json:"ms"`             // when it was seen, since the process began
	Note  string  `json:"note,omitempty"` // what to know of the record itself
}

// String is the answer as a person reads it.
func (a Answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", printable.Line(a.State), printable.Line(a.Cause))
	if a.Fix != "" {
		fmt.Fprintf(&b, "Fix: %s\n", printable.Line(a.Fix))
	}
	fmt.Fprintf(&b, "(rule %s; seen at %.1f s)\n", a.Rule, a.Ms/1000)
	if a.Note != "" {
		fmt.Fprintf(&b, "Note: %s\n", printable.Line(a.Note))
	}
	return b.String()
}

// Explain answers for one life. Each symptom is looked up in the table, the gravest first;
// one that no row knows (there is none, by a test) leaves it to the next.
func Explain(f Facts) Answer {
	l := fold(f)
	for _, s := range l.symptoms() {
		for _, r := range table() {
			if found, ok := r.match(s); ok {
				a := Answer{State: l.sentence(s), Cause: r.expand(r.cause, s, found), Fix: r.expand(r.fix, s, found), Rule: r.name, Unit: s.unit, Ms: s.ms, Note: f.Note}
				if l.exited {
					a.Exit = &l.code
				}
				return a
			}
		}
	}
	return Answer{State: l.sentence(symptom{}), Cause: "Nothing in the record speaks of a failure or a wait.", Rule: "nothing", Ms: l.last, Note: f.Note}
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
