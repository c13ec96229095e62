// Command meshtask is the single entrypoint of an ECS task in a Consul service
// mesh: it launches and orders the Consul client agent, Envoy and the app.
//
// This package only wires: it owns the process's signals, environment, streams
// and exit code, and every decision is made elsewhere. Read
// lifecycle/timeline.go first.
package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"meshtask/internal/relay"
)

func main() {
	// First of all: until here a TERM would end PID 1 with the runtime's exit 2.
	// The buffers hold any burst; the relay never blocks.
	signals := make(chan os.Signal, 256)
	signal.Notify(signals, relay.Deadly()...)
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, syscall.SIGCHLD)
	relayed := make(chan struct{})
	go func() { defer close(relayed); signal.Notify(signals, relay.Harmless()...) }()

	w := &world{
		begin:   time.Now(),
		args:    os.Args[1:],
		env:     environ(os.Environ()),
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		signals: signals,
		relayed: relayed,
		chld:    chld,
	}
	os.Exit(w.run())
}

// environ takes every CONSUL_ variable out of our own environment: the Consul
// library would read addresses, tokens and CA paths from there behind our back.
func environ(all []string) []string {
	for _, kv := range all {
		if strings.HasPrefix(kv, "CONSUL_") {
			name, _, _ := strings.Cut(kv, "=")
			_ = os.Unsetenv(name) // it fails for an empty name only
		}
	}
	return all
}
