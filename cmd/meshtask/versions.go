package main

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"meshtask/envoy"
	"meshtask/envoy/pairs"
	"meshtask/supervisor"
)

// versionLimit bounds `consul version` and `envoy --version`.
const versionLimit = 5 * time.Second

// consulSays is the line of `consul version` that has the version.
var consulSays = regexp.MustCompile(`(?m)^Consul v(\S+)`)

// checkVersions prints which consul and envoy would be run, and what is known of the pair: 0,
// or 202, 204 or 207.
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
	path, err := supervisor.Look("envoy", w.getenv("PATH"))
	if err != nil {
		return w.fail(exitEnvoy, "%v", err)
	}
	v, err := envoy.Version(ctx, sup, path, w.env)
	if err != nil {
		return w.fail(exitEnvoy, "%v", err)
	}
	found := consulSays.FindSubmatch(text)
	if found == nil {
		found = [][]byte{nil, nil}
		fmt.Fprintf(w.stdout, "Consul of an unknown version (%s)\n", consul)
	} else {
		fmt.Fprintf(w.stdout, "Consul v%s (%s)\n", found[1], consul)
	}
	words, refused := pair(string(found[1]), v)
	fmt.Fprintf(w.stdout, "Envoy v%s (%s): %s\n", v, path, words)
	if refused {
		return exitVersion
	}
	return 0
}

// pair is what is known of two versions without asking a running Consul.
func pair(consul, envoy string) (words string, refused bool) {
	line, known := pairs.Of(consul)
	switch {
	case !known:
		return "not known to fit: docs/versions.md has no list of this Consul. A Consul that does not serve an Envoy refuses it, and the task ends with 207", false
	case line.Declares(envoy):
		return "declared by Consul " + line.Consul, false
	case pairs.Older(envoy, line.From):
		return "too old, Consul " + line.Consul + " refuses it; use " + pairs.Nearest(consul, envoy), true
	}
	return "not declared by Consul " + line.Consul + ", which declares " + line.Envoys() + " and serves later ones; docs/versions.md has what was tested", false
}
