// Package metrics gives Envoy's statistics the labels of Consul's stats_tags, for an Envoy whose
// bootstrap document has not got those expressions: Envoy runs them over each statistic when it
// makes it, which is a tenth of a second for each upstream, and here they are run when somebody
// looks. It takes Envoy's own Prometheus text and returns what the same Envoy would print with
// the expressions in its document. Values are Envoy's, untouched.
//
// It is pure: it knows neither Envoy's admin interface nor who asks.
package metrics

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

// Translator remembers what each series is called, so that only those cost anything that Envoy
// did not have at the last reading. What Envoy has no more is forgotten. Safe for concurrent use.
type Translator struct {
	printed, wanted []group
	some            bool // the document has some of the expressions

	mu    sync.Mutex
	known map[metric]map[string]*entry // by the labels as Envoy prints them
	texts map[string]string            // each text of entries and keys once
	count int                          // of entries
	round uint64                       // of the last reading
	last  size                         // of its page
}

// metric is one as Envoy prints it.
type metric struct{ name, kind string }

// entry is a series as Envoy prints it.
type entry struct {
	called      []called // none: not known yet; several where Envoy prints several statistics alike, in its order
	unexplained bool     // no statistic explained it when it was first seen: it is to be asked once more
	round       uint64   // the last reading that met it
	met         int      // how often
}

// called is what a series is called with the expressions: its name, and its labels without the
// braces. Without a name it is left out: Envoy prints one and the same series twice.
type called struct{ name, labels string }

// New makes a translator for an Envoy whose document has these tags, in this order (see Tags).
func New(tags []Tag) *Translator {
	return &Translator{printed: rules(tags), wanted: rules(withExpressions(tags)),
		some:  slices.ContainsFunc(tags, func(t Tag) bool { return t.Expression != "" }),
		known: map[metric]map[string]*entry{}, texts: map[string]string{}}
}

// Read translates text, an answer of Envoy's /stats/prometheus. names is called when there is a
// series in it that is not known: it returns Envoy's /stats of a moment later, where each line
// begins with the name of a statistic and a colon. An error says that text is no answer of
// Envoy's, or cannot be read, or is names's.
func (t *Translator) Read(text io.Reader, names func() ([]byte, error)) (*Page, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.count
	t.round++
	r := &reading{Translator: t, want: map[string]map[string]*lesson{}}
	r.page.grow(t.last)
	err := read(text, r)
	if err == nil {
		err = r.learn(names)
	}
	switch {
	case err != nil && t.count > before: // what a bad answer has brought must not add up
		t.known, t.texts, t.count = map[metric]map[string]*entry{}, map[string]string{}, 0
	case err == nil && r.met < t.count:
		t.forget(r.met)
	}
	if err != nil {
		return nil, err
	}
	r.page.sort()
	t.last = r.page.size()
	return &r.page, nil
}

// reading is the taker of one answer.
type reading struct {
	*Translator
	page Page

	name    []byte // of the current metric
	kind    string
	entries map[string]*entry // of that
	met     int               // entries
	shared  []place
	want    map[string]map[string]*lesson // by name and labels
}

// place is an entry, and where it stands.
type place struct {
	entry        *entry
	name, labels string
}

func (r *reading) family(name []byte, kind string) {
	r.name, r.kind = append(r.name[:0], name...), kind
	r.entries = r.known[metric{string(name), kind}]
	r.page.families = append(r.page.families, family{kind, len(r.page.found)})
}

func (r *reading) line(l line) { r.page.line(l) }

// series finds the entry of a series, and asks for what it is called where that is not known.
func (r *reading) series(labels []byte) {
	one := found{first: int32(len(r.page.lines))}
	if !r.some && !mayBeRenamed(r.name, labels) {
		one.called = asPrinted(string(r.name), string(labels))
		r.page.found = append(r.page.found, one)
		return
	}
	e := r.entries[string(labels)]
	if e == nil {
		e = &entry{}
		if r.entries == nil {
			r.entries = map[string]*entry{}
			r.known[metric{r.text(string(r.name)), r.kind}] = r.entries
		}
		r.entries[r.text(string(labels))] = e
		r.count++
	}
	if e.round != r.round {
		e.round, e.met = r.round, 0
		r.met++
	}
	one.entry, one.nth = e, int32(e.met)
	r.page.found = append(r.page.found, one)
	e.met++
	if e.met > len(e.called) || e.unexplained {
		r.ask(place{e, string(r.name), string(labels)})
	} else if len(e.called) > 1 {
		r.shared = append(r.shared, place{e, string(r.name), string(labels)})
	}
}

// recount asks for those series that Envoy prints less often than it did: which of the
// statistics has gone cannot be told.
func (r *reading) recount() {
	for _, p := range r.shared {
		if p.entry.met < len(p.entry.called) {
			r.ask(p)
		}
	}
}

// ask notes an entry that is to be learned.
func (r *reading) ask(p place) {
	labels := r.want[p.name]
	if labels == nil {
		labels = map[string]*lesson{}
		r.want[p.name] = labels
	}
	l := labels[p.labels]
	if l == nil {
		l = &lesson{}
		labels[r.text(p.labels)] = l
	}
	if !slices.Contains(l.entries, p.entry) {
		l.entries = append(l.entries, p.entry)
	}
}

// learn enters what was asked for.
func (r *reading) learn(names func() ([]byte, error)) error {
	r.recount()
	if len(r.want) == 0 {
		return nil
	}
	text, err := names()
	if err != nil {
		return err
	}
	r.explain(r.want, text)
	for name, labels := range r.want {
		for text, l := range labels {
			l.teach(called{name, text})
		}
	}
	return nil
}

// asPrinted is what Envoy calls a series. Labels that are none are left out.
func asPrinted(name, labels string) *called {
	if !areLabels([]byte(labels)) {
		return &called{}
	}
	return &called{name, labels}
}

// explain finds the statistics that Envoy prints as what is wanted.
func (t *Translator) explain(want map[string]map[string]*lesson, names []byte) {
	printed, wanted := newExtractor(t.printed), newExtractor(t.wanted)
	for len(names) > 0 {
		var one []byte
		one, names, _ = bytes.Cut(names, []byte("\n"))
		one, _, _ = bytes.Cut(one, []byte(":"))
		name := string(one)
		if !renamed(name) {
			continue
		}
		is, labels := printed.series(name)
		l := want[string(is)][string(labels)]
		if l == nil {
			continue
		}
		is, labels = wanted.series(name)
		l.all = append(l.all, statistic{name, called{t.text(string(is)), t.text(string(labels))}})
	}
}

// lesson is a series to be learned: its entries, one for each type of metric, and the statistics
// that explain it.
type lesson struct {
	entries []*entry
	all     []statistic
}

// statistic is one of Envoy's: its name, and what its series is called.
type statistic struct {
	name   string
	called called
}

// teach enters what the series is called. One that no statistic explains is called what Envoy
// calls it: Envoy has given it labels that it did not take from the name. Or the statistic went
// away before its name was asked for: so it is asked for again, once.
func (l *lesson) teach(itself called) {
	slices.SortFunc(l.all, func(a, b statistic) int {
		return slices.Compare(strings.Split(a.name, "."), strings.Split(b.name, "."))
	})
	l.all = slices.CompactFunc(l.all, func(a, b statistic) bool { return a.name == b.name })
	for _, e := range l.entries {
		again := len(e.called) > 0 && e.unexplained
		e.called, e.unexplained = nil, false
		for _, s := range l.all[:min(len(l.all), e.met)] {
			e.called = append(e.called, s.called)
		}
		if len(l.all) == 0 {
			e.unexplained = !again
			e.called = []called{*asPrinted(itself.name, itself.labels)}
		}
		for len(e.called) < e.met {
			e.called = append(e.called, called{})
		}
	}
}

// forget drops the entries that the last reading did not meet; it met so many.
func (t *Translator) forget(met int) {
	known := map[metric]map[string]*entry{}
	t.texts = map[string]string{}
	for m, labels := range t.known {
		left := map[string]*entry{}
		for text, e := range labels {
			if e.round != t.round {
				continue
			}
			left[t.text(text)] = e
			now := make([]called, len(e.called)) // pages that are in use have the old one
			for i, c := range e.called {
				now[i] = called{t.text(c.name), t.text(c.labels)}
			}
			e.called = now
		}
		if len(left) > 0 {
			known[metric{t.text(m.name), m.kind}] = left
		}
	}
	t.known, t.count = known, met
}

// text is the one copy of a text.
func (t *Translator) text(s string) string {
	if one, ok := t.texts[s]; ok {
		return one
	}
	t.texts[s] = s
	return s
}
