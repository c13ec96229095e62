package lifecycle

import "slices"

// history is what the walk itself has seen of one task: the events that it has sent and the
// actions that it got. A machine that forgets an event is caught by it.
type history struct {
	rows     Timeline
	fates    [8]fate // by row; an array, so that a copy is a history of its own
	hurries  int     // counted up to 2, whenever they came
	down     bool
	finished bool
}

// fate is what has happened to one unit.
type fate struct{ started, ready, asked, killed, ended bool }

func (f fate) lives() bool { return f.started && !f.ended }

func (h *history) row(u Unit) int {
	return slices.IndexFunc(h.rows, func(r Row) bool { return r.Unit == u })
}

// of is the fate of a unit; one without a row has none.
func (h *history) of(u Unit) fate {
	if i := h.row(u); i >= 0 {
		return h.fates[i]
	}
	return fate{}
}

func (h *history) lives(u Unit) bool { return h.of(u).lives() }

// spared is a unit that lives and has not been killed, or "".
func (h *history) spared() Unit {
	for i, r := range h.rows {
		if h.fates[i].lives() && !h.fates[i].killed {
			return r.Unit
		}
	}
	return ""
}

// and is the history after one more event and what it led to.
func (h history) and(e Event, actions []Action) history {
	switch e := e.(type) {
	case Ready:
		if h.lives(e.Unit) {
			h.fates[h.row(e.Unit)].ready = true
		}
	case Ended:
		if h.lives(e.Unit) {
			h.fates[h.row(e.Unit)].ended = true
		}
	case Hurry:
		h.hurries = min(h.hurries+1, 2)
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Start:
			h.fates[h.row(a.Unit)].started = true
		case Stop:
			h.fates[h.row(a.Unit)].asked = true
		case Kill:
			h.fates[h.row(a.Unit)].killed = true
		case Shutdown:
			h.down = true
		case Finish:
			h.finished = true
		}
	}
	return h
}

// key names what promises can tell apart: in a shutdown no longer who was ready, nor
// anything of those that have ended.
func (h *history) key() string {
	if h.finished {
		return "finished"
	}
	key := []byte{'0' + byte(h.hurries), ' '}
	for row := range h.rows {
		f, bits := h.fates[row], byte('@')
		for i, on := range []bool{f.started, f.ready && !h.down, f.asked, f.killed, f.ended} {
			if on {
				bits |= 1 << i
			}
		}
		if h.down && !f.lives() {
			bits = '-'
		}
		key = append(key, bits)
	}
	return string(key)
}
