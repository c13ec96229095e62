package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"meshtask/envoy"
	"meshtask/supervisor"
)

// versionLimit bounds `consul version` and `envoy --version`.
const versionLimit = 5 * time.Second

// checkVersions prints which consul and envoy would be run, and whether they
// fit: 0, or 202, 204 or 207.
func checkVersions(w *world) int {
	sup, err := supervisor.New(w.chld, nil)
	if err != nil {
		return w.fail(exitInternal, "%v", err)
	}
	defer sup.Close()
	ctx, cancel := context.WithTimeout(context.Background(), versionLimit)
	defer cancel()
	consul, err := supervisor.Look("consul", w.getenv("PATH"))
	if err != nil {
		return w.fail(exitConsul, "%v", err)
	}
	text, err := sup.Output(ctx, supervisor.Spec{Name: "consul version", Argv: []string{consul, "version"}, Env: w.env}, versionLimit)
	if err != nil {
		return w.fail(exitConsul, "%v", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fmt.Fprintf(w.stdout, "%s (%s)\n", first, consul)
	path, err := supervisor.Look("envoy", w.getenv("PATH"))
	if err != nil {
		return w.fail(exitEnvoy, "%v", err)
	}
	v, err := envoy.Version(ctx, sup, path, w.env)
	if err != nil {
		return w.fail(exitEnvoy, "%v", err)
	}
	misfit := envoy.Fits(v)
	if misfit == nil {
		fmt.Fprintf(w.stdout, "Envoy v%s (%s), declared by Consul\n", v, path)
		return 0
	}
	fmt.Fprintf(w.stdout, "Envoy v%s (%s): %v\n", v, path, misfit)
	if misfit.TooOld {
		return exitVersion
	}
	return 0
}
