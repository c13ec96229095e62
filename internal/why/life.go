package why

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshtask/internal/journal"
)

// life is what the record comes to.
type life struct {
	Facts
	last float64 // ms of now, or of the last entry

	exited, known bool // known: with its code
	code          int
	reason        string // of the exit
	culprit       string // the unit whose end was the cause
	at            time.Time

	up       bool    // T2 was reached
	down     bool    // the stop began
	downMs   float64 // when
	order    []string
	seen     map[string]bool // what is in order
	ready    map[string]bool
	restarts []journal.Entry
	killed   []journal.Entry
	oom      []journal.Entry
	unclean  []symptom
	waited   map[string]journal.Entry // the latest of each unit
}

// fold reads the record.
func fold(f Facts) *life {
	l := &life{Facts: f, seen: map[string]bool{}, ready: map[string]bool{}, waited: map[string]journal.Entry{}}
	for _, e := range f.Entries {
		l.last = max(l.last, e.Ms)
		l.add(e)
	}
	if n := len(f.Entries); f.State != "" && n > 0 {
		e := f.Entries[n-1]
		l.last = max(l.last, e.Ms+float64(f.At.Sub(e.At).Microseconds())/1000)
	}
	if l.down && l.State == "STARTING" { // a task that could not be asked
		l.State = "STOPPING"
	}
	if e, ok := l.waited[l.pending()]; ok && f.State != "" && f.Waits == nil { // its last word
		since, _ := time.ParseDuration(e.Text("since"))
		l.Waits = map[string]Wait{e.Unit: {What: e.Detail, Since: e.At.Add(-since), Err: e.Text("error"), Hint: e.Text("hint")}}
	}
	return l
}

func (l *life) add(e journal.Entry) {
	if e.Unit != journal.Task && !l.seen[e.Unit] {
		l.seen[e.Unit] = true
		l.order = append(l.order, e.Unit)
	}
	switch e.Event {
	case journal.Mark:
		l.up = l.up || e.Way == journal.Up && e.Mark == "T2"
	case journal.Ready:
		l.ready[e.Unit] = true
	case journal.Waiting:
		l.waited[e.Unit] = e
	case journal.Restart:
		l.restarts = append(l.restarts, e)
	case journal.Killed:
		l.killed = append(l.killed, e)
	case journal.Shutdown:
		l.down, l.downMs = true, e.Ms
	case journal.Step:
		l.step(e)
	case journal.Exit:
		if !l.exited {
			_, l.known = e.Data["code"]
			l.exited, l.code, l.reason, l.culprit, l.at = true, int(e.Int("code")), e.Detail, e.Text("unit"), e.At
		}
	}
}

// step keeps what a good end does not have.
func (l *life) step(e journal.Entry) {
	switch e.Detail {
	case "oom":
		l.oom = append(l.oom, e)
	case "drained":
		if n := e.Int("end"); n > 0 {
			l.unclean = append(l.unclean, symptom{kind: cut, unit: e.Unit, text: fmt.Sprint(n), ms: e.Ms})
		}
	case "left", "deregistered":
		if e.Text("result") == "unverified" {
			text := e.Detail
			if why := e.Text("reason"); why != "" {
				text += ": " + why
			}
			l.unclean = append(l.unclean, symptom{kind: stays, unit: e.Unit, text: text, ms: e.Ms})
		}
	}
}

// symptoms are all that is wrong, what explains the most first; the last one says that
// all is well.
func (l *life) symptoms() []symptom {
	var all []symptom
	switch {
	case l.Silent != "":
		all = []symptom{{kind: silent, text: l.Silent, ms: l.last}}
	case l.exited:
		all = l.end()
	case l.State != "":
		all = l.present()
	default:
		all = l.broken()
	}
	all = slices.Concat(all, l.memory(), l.kills(""), l.unclean, l.past())
	return append(all, symptom{kind: fine, text: l.State, ms: l.last})
}

// ownEnd is the reason of an end that the app chose.
const ownEnd = `^(app: )?app \(pid \d+\) `

// end is why it ended. A kill, for want of memory or of time, is why a code is 137.
func (l *life) end() []symptom {
	asked := slices.Contains([]string{"TERM", "INT", "QUIT"}, l.reason)
	s := symptom{code: l.code, unit: l.culprit, text: l.reason, ms: l.last}
	if l.culprit != "" {
		s.text = strings.TrimPrefix(l.reason, l.culprit+": ")
	}
	switch {
	case l.known && l.code == 0:
		return nil
	case asked && l.up:
		s.kind, s.unit = told, "app"
	case asked:
		s.kind, s.unit, s.text = unstarted, "", ""
		if e, ok := l.waited[l.pending()]; ok {
			s.unit, s.text, s.hint = e.Unit, text(e.Detail, e.Text("error")), e.Text("hint")
		}
	case regexp.MustCompile(ownEnd).MatchString(l.reason):
		s.kind, s.unit = byItself, "app"
	default:
		s.kind = gaveUp
		if s.unit == "" {
			s.unit = map[int]string{201: "token", 202: "consul-agent", 203: "mesh-init", 204: "envoy", 205: "app", 211: "task"}[s.code]
		}
		return append(l.memory(), s)
	}
	if l.code == 137 {
		return slices.Concat(l.memory(), l.kills("app"), []symptom{s})
	}
	return []symptom{s}
}

// pending is the unit that the way up had come to; the task itself before any.
func (l *life) pending() string {
	if len(l.order) == 0 {
		return journal.Task
	}
	for _, u := range l.order {
		if !l.ready[u] {
			return u
		}
	}
	return ""
}

func text(what, err string) string {
	if err == "" {
		return what
	}
	return what + ": " + err
}

// present is who waits now, the longest first.
func (l *life) present() []symptom {
	var all []symptom
	units := slices.SortedFunc(maps.Keys(l.Waits), func(a, b string) int {
		return cmp.Or(l.Waits[a].Since.Compare(l.Waits[b].Since), cmp.Compare(a, b))
	})
	for _, u := range units {
		w := l.Waits[u]
		all = append(all, symptom{kind: waiting, unit: u, text: text(w.What, w.Err), hint: w.Hint, ms: l.last})
	}
	return all
}

// broken is a record that stops: the process could not say more.
func (l *life) broken() []symptom {
	if len(l.Entries) == 0 {
		return nil
	}
	if e, ok := l.waited[l.pending()]; ok && !l.down {
		return []symptom{{kind: waiting, unit: e.Unit, text: text(e.Detail, e.Text("error")), hint: e.Text("hint"), ms: e.Ms}}
	}
	word := "up"
	if l.down {
		word = fmt.Sprintf("stopping for %.1f s", (l.last-l.downMs)/1000)
	} else if !l.up {
		word = "starting"
	}
	return []symptom{{kind: cutOff, text: word, ms: l.last}}
}

func (l *life) memory() []symptom {
	var all []symptom
	for _, e := range l.oom {
		all = append(all, symptom{kind: outOfMemory, unit: cmp.Or(e.Text("process"), e.Unit), ms: e.Ms})
	}
	return all
}

// kills are those that our own KILL ended, of one unit or of all. The order to kill and
// the unit's own word, which says more, are one.
func (l *life) kills(unit string) []symptom {
	var all []symptom
	known := map[string]int{}
	for _, e := range l.killed {
		if unit != "" && e.Unit != unit {
			continue
		}
		s := symptom{kind: killed, unit: e.Unit, text: strings.TrimSpace(e.Text("process") + " " + e.Text("when")), ms: e.Ms}
		i, twice := known[e.Unit]
		if !twice {
			known[e.Unit] = len(all)
			all = append(all, s)
		} else if s.text != "" {
			all[i].text = s.text
		}
	}
	for i := range all {
		all[i].text = cmp.Or(all[i].text, "its time was over")
	}
	return all
}

// past is what has healed.
func (l *life) past() []symptom {
	var all []symptom
	if n := len(l.restarts); n > 0 {
		e := l.restarts[n-1]
		all = append(all, symptom{kind: restarted, code: n, unit: e.Unit, text: e.Detail, ms: e.Ms})
	}
	for _, u := range l.order {
		if e, ok := l.waited[u]; ok {
			all = append(all, symptom{kind: waited, unit: u, text: text(e.Detail, e.Text("error")), hint: e.Text("hint"), ms: e.Ms})
		}
	}
	return all
}

// sentence is how it is with the task.
func (l *life) sentence(s symptom) string {
	switch {
	case l.Silent != "":
		return "The task does not answer."
	case l.exited && !l.known:
		return "The task did not start."
	case l.exited:
		return fmt.Sprintf("The task ended with exit %d (%s)%s.", l.code, meaning(l.code), when(l.at))
	case len(l.Entries) == 0 && l.State == "":
		return "There is no record of a task."
	case l.State == "":
		return fmt.Sprintf("The record ends without an exit%s.", when(l.Entries[len(l.Entries)-1].At))
	}
	if w, ok := l.Waits[s.unit]; ok && s.kind == waiting {
		whom := s.unit
		if whom == journal.Task {
			whom = "its metadata endpoint"
		}
		return fmt.Sprintf("The task has waited %s for %s.", round(l.At.Sub(w.Since)), whom)
	}
	return fmt.Sprintf("The task is %s, %s after its start.", strings.ToLower(l.State), round(time.Duration(l.last*float64(time.Millisecond))))
}

func round(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
}

func when(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", " + at.UTC().Format("2006-01-02 15:04:05 UTC")
}
