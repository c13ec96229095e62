package secret

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// waits tells one observer about several waits: the first by name, and how
// many more there are, whenever that changes.
type waits struct {
	tell   func(what, lastError, hint string)
	mu     sync.Mutex
	reason map[Ref]error
	told   [3]string
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
	w.say()
}

// end says that nothing is waited for.
func (w *waits) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.reason)
	w.say()
}

func (w *waits) say() {
	var now [3]string
	refs := slices.SortedFunc(maps.Keys(w.reason), func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	if len(refs) > 0 {
		err := w.reason[refs[0]]
		names := make([]string, len(refs))
		for i, r := range refs {
			names[i] = r.String()
		}
		now = [3]string{"secret " + strings.Join(names, ", "), err.Error(), fix(err)}
	}
	if now == w.told || w.tell == nil {
		return
	}
	w.told = now
	w.tell(now[0], now[1], now[2])
}

// fix is what usually helps.
func fix(err error) string {
	r, refused := errors.AsType[*Refused](err)
	switch {
	case errors.Is(err, ErrNotYet):
		return "does the ACL controller run for this cluster, and does the task carry its tags?"
	case refused && r.Action != "":
		return "allow " + r.Action + " in the task role, and check the ARN"
	case refused:
		return "check the reference"
	}
	return "does the task have a task role, and a way to the endpoint of the service?"
}
