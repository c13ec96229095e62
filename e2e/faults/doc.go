// Package faults breaks tasks on purpose, on the real Consul and Envoy, and holds what is
// said of each fault: by the live task, by its directory and by its log alone. Its test
// writes docs/faults with -update, and fails when a page there says something else.
package faults
