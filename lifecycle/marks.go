package lifecycle

// Reached is one mark of a life, on the way up or down.
type Reached struct {
	Down bool
	Mark Mark
}

// Marker tells when the page's marks are reached. Like the machine it is pure.
//
//	up    T0 first unit started, T1 mesh-init ready, T2 app exec'ed (without a command: Envoy ready)
//	down  T0 stop begins, T1 app, health-sync and Envoy have ended, T2 the agent has ended,
//	      T3 every unit has ended, T4 the stop budget is spent
//
// A mark whose units the table does not have is not reached: with --no-mesh
// there are T0 and T2 up, T0 and T3 down.
type Marker struct {
	rows    Timeline
	command bool
	down    bool
	gone    map[Unit]bool
	seen    map[Reached]bool
}

// NewMarker returns a Marker for one life. command says that row app runs a
// command of ours, whose exec is T2.
func NewMarker(rows Timeline, command bool) *Marker {
	k := &Marker{rows: rows, command: command, gone: map[Unit]bool{}, seen: map[Reached]bool{}}
	for _, r := range rows {
		k.gone[r.Unit] = true // until it starts
	}
	return k
}

// Executed says that the app's command has been exec'ed.
func (k *Marker) Executed() []Reached { return k.reach(nil, Reached{Mark: T2}, k.command) }

// Observe takes what the machine was told and what it decided.
func (k *Marker) Observe(e Event, actions []Action) []Reached {
	var out []Reached
	switch e := e.(type) {
	case Ready:
		out = k.reach(out, Reached{Mark: T1}, e.Unit == MeshInit && k.rows.Has(MeshInit))
		out = k.reach(out, Reached{Mark: T2}, e.Unit == Envoy && !k.command)
	case Ended:
		if k.rows.Has(e.Unit) {
			k.gone[e.Unit] = true
		}
	case DeadlinePassed:
		out = k.reach(out, Reached{Down: true, Mark: T4}, k.down)
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Start:
			k.gone[a.Unit] = false
			out = k.reach(out, Reached{Mark: T0}, true)
		case Shutdown:
			k.down = true
			out = k.reach(out, Reached{Down: true, Mark: T0}, true)
		}
	}
	if k.down {
		out = k.reach(out, Reached{Down: true, Mark: T1}, k.rows.Has(Envoy) && k.allGone(App, HealthSync, Envoy))
		out = k.reach(out, Reached{Down: true, Mark: T2}, k.rows.Has(ConsulAgent) && k.allGone(ConsulAgent))
		for _, a := range actions {
			if _, ok := a.(Finish); ok {
				out = k.reach(out, Reached{Down: true, Mark: T3}, true)
			}
		}
	}
	return out
}

func (k *Marker) allGone(units ...Unit) bool {
	for _, u := range units {
		if k.rows.Has(u) && !k.gone[u] {
			return false
		}
	}
	return true
}

func (k *Marker) reach(out []Reached, r Reached, now bool) []Reached {
	if !now || k.seen[r] {
		return out
	}
	k.seen[r] = true
	return append(out, r)
}
