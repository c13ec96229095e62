package envoy

import "context"

// Flow is what goes through a running Envoy now.
type Flow struct {
	InFlight  int64
	Protocol  string               // see InFlight; "": Envoy has no such gauge yet
	Instances map[string]Instances // by the upstream's name; those that Envoy knows
}

// Instances counts what Envoy knows of an upstream's instances.
type Instances struct{ Healthy, Total int64 }

// Flow asks for all of it.
func (a *Admin) Flow(ctx context.Context, r Role, upstreams []Upstream) (Flow, error) {
	r = r.of()
	stats, err := a.matching(ctx, `^(http\.public_listener\.downstream_rq_active|cluster\.local_app\.upstream_cx_active|cluster\..*\.membership_(healthy|total))$`)
	if err != nil {
		return Flow{}, err
	}
	f := Flow{Instances: map[string]Instances{}}
	if r.sent {
		listeners, err := r.listeners(ctx, a)
		if err != nil {
			return Flow{}, err
		}
		if w, err := r.work(ctx, a, listeners); err == nil {
			f.InFlight, f.Protocol = w.inFlight, w.protocol
		}
	} else if n, ok := stats[gaugeHTTP]; ok {
		f.InFlight, f.Protocol = n, "http"
	} else if n, ok := stats[gaugeTCP]; ok {
		f.InFlight, f.Protocol = n, "tcp"
	}
	for _, u := range upstreams {
		if healthy, total, known := instances(u.Service, stats); known {
			f.Instances[u.Name] = Instances{healthy, total}
		}
	}
	return f, nil
}
