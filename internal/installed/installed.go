// Package installed looks at the consul and the envoy that a task would run: where they are, their
// versions, and what is known of the pair.
package installed

import (
	"context"
	"errors"
	"fmt"
	"os"

	"meshtask/consulagent"
	"meshtask/envoy"
	"meshtask/envoy/pairs"
	"meshtask/internal/event"
	"meshtask/supervisor"
)

// Pair is what was found.
type Pair struct {
	Consul, ConsulPath string // the version "" where the program tells none
	Envoy, EnvoyPath   string
	Words              string // what is known of them together
	Refused            bool   // Consul does not serve this Envoy
}

// Find runs both programs for their versions, in the environment env; path is a list of directories
// as PATH is. They are children of this process, which chld tells to have ended. The cause of the
// error tells whose it is.
func Find(ctx context.Context, chld <-chan os.Signal, env []string, path string) (p Pair, err error) {
	sup, err := supervisor.New(chld, nil)
	if err != nil {
		return p, event.Because(event.Internal, err)
	}
	defer sup.Close()
	if p.ConsulPath, err = supervisor.Look("consul", path); err == nil {
		p.Consul, err = consulagent.Version(ctx, sup, p.ConsulPath, env)
	}
	if err != nil {
		return p, event.Because(event.ConsulMissing, err)
	}
	if p.EnvoyPath, err = supervisor.Look("envoy", path); err == nil {
		p.Envoy, err = envoy.Version(ctx, sup, p.EnvoyPath, env)
	}
	if err != nil && !errors.Is(err, envoy.ErrNoVersion) {
		return p, event.Because(event.EnvoyMissing, err)
	}
	p.Words, p.Refused = pairs.Known(p.Consul, p.Envoy)
	return p, nil
}

// String is two lines, each with its end.
func (p Pair) String() string {
	return fmt.Sprintf("Consul %s (%s)\nEnvoy %s (%s): %s\n", named(p.Consul), p.ConsulPath, named(p.Envoy), p.EnvoyPath, p.Words)
}

func named(version string) string {
	if version == "" {
		return "of an unknown version"
	}
	return "v" + version
}
