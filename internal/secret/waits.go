package secret

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"meshtask/internal/event"
)

// waits reports several waits as one: the first with its reason, and the names of all,
// whenever that changes.
type waits struct {
	report event.Report
	mu     sync.Mutex
	reason map[Ref]error
	told   [2]string // what, and why
}

// set notes why ref has no value; nil: it has one.
func (w *waits) set(ref Ref, reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if reason == nil {
		delete(w.reason, ref)
	} else {
		w.reason[ref] = reason
	}
	w.reportChange()
}

// end says that nothing is waited for.
func (w *waits) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.reason)
	w.reportChange()
}

// reportChange reports what is waited for unless it has been. The caller holds mu.
func (w *waits) reportChange() {
	refs := slices.SortedFunc(maps.Keys(w.reason), func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	var now [2]string
	if len(refs) > 0 {
		names := make([]string, len(refs))
		for i, r := range refs {
			names[i] = r.String()
		}
		now = [2]string{"secret " + strings.Join(names, ", "), w.reason[refs[0]].Error()}
	}
	switch {
	case now == w.told:
		return
	case len(refs) == 0:
		w.report(event.WaitOver{})
	default:
		c := event.CauseOf(because(refs[0], w.reason[refs[0]]))
		w.report(event.Waiting{Code: c.Code, What: now[0], Err: now[1], Fix: fix(c.Err), Facts: c.Facts})
	}
	w.told = now
}
