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

// Started says that a unit has been started.
func (k *Marker) Started(u Unit) []Reached {
	if k.rows.Has(u) {
		k.gone[u] = false
	}
	return k.reach(nil, Reached{Mark: T0}, true)
}

// Ready says that a unit is ready.
func (k *Marker) Ready(u Unit) []Reached {
	out := k.reach(nil, Reached{Mark: T1}, u == MeshInit && k.rows.Has(MeshInit))
	return k.reach(out, Reached{Mark: T2}, u == Envoy && !k.command)
}

// Executed says that the app's command has been exec'ed.
func (k *Marker) Executed() []Reached { return k.reach(nil, Reached{Mark: T2}, k.command) }

// Shutdown says that the stop has begun. No mark of the way up is reached from then on.
func (k *Marker) Shutdown() []Reached {
	k.down = true
	return k.ended(k.reach(nil, Reached{Down: true, Mark: T0}, true))
}

// Ended says that a unit has ended.
func (k *Marker) Ended(u Unit) []Reached {
	if k.rows.Has(u) {
		k.gone[u] = true
	}
	return k.ended(nil)
}

// Spent says that the stop budget is spent.
func (k *Marker) Spent() []Reached { return k.reach(nil, Reached{Down: true, Mark: T4}, k.down) }

func (k *Marker) ended(out []Reached) []Reached {
	if !k.down {
		return out
	}
	out = k.reach(out, Reached{Down: true, Mark: T1}, k.rows.Has(Envoy) && k.allGone(App, HealthSync, Envoy))
	out = k.reach(out, Reached{Down: true, Mark: T2}, k.rows.Has(ConsulAgent) && k.allGone(ConsulAgent))
	all := true
	for _, gone := range k.gone {
		all = all && gone
	}
	return k.reach(out, Reached{Down: true, Mark: T3}, all)
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
	if !now || k.seen[r] || k.down && !r.Down {
		return out
	}
	k.seen[r] = true
	return append(out, r)
}
