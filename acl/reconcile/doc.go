// Package reconcile decides what the ACL controller does: tasks, tokens, policies
// and secrets go in as a World, chains of operations come out as a Plan. It knows
// the names, descriptions and rules of consul-ecs v0.2–v0.4, and what is provably
// ours.
//
// It is pure: it knows no clock, network, log or Consul, and remembers nothing.
package reconcile
