package consulagent

import "time"

const (
	// FirstSync is how long after its join an agent may still make its first full sync
	// (Consul 1.22.6, serverUpIntv of 3 s, plus the sync itself; longer from 128 nodes on, and
	// the less likely then to meet a stop). It writes node and services, and nothing tells
	// when it does.
	FirstSync = 3500 * time.Millisecond
	// criticalOnly is how long downstream proxies may go on sending where the instance is
	// merely critical: Envoy may hold back a health change for a second. A removal they follow
	// in a quarter of one.
	criticalOnly = 1300 * time.Millisecond
)

// Propagation is how long to wait until nobody sends to the instance any more: planned, and
// longer where only the critical checks say so. removed: it is out of the catalog. joined is
// the time since the agent's join, whose first full sync may write it back. 0 stays 0.
func Propagation(planned time.Duration, removed bool, joined time.Duration) time.Duration {
	if planned > 0 && (!removed || joined < FirstSync) {
		return max(planned, criticalOnly)
	}
	return planned
}
