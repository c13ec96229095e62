package main

import (
	"context"
	"errors"
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
	if err != nil && !errors.Is(err, envoy.ErrNoVersion) {
		return w.fail(exitEnvoy, "%v", err)
	}
	c := ""
	if found := consulSays.FindSubmatch(text); found != nil {
		c = string(found[1])
	}
	words, refused := pair(c, v)
	fmt.Fprintf(w.stdout, "Consul %s (%s)\nEnvoy %s (%s): %s\n", named(c), consul, named(v), path, words)
	if refused {
		return exitVersion
	}
	return 0
}

// named is a version as it is printed.
func named(version string) string {
	if version == "" {
		return "of an unknown version"
	}
	return "v" + version
}

// pair is what is known of two versions without asking a running Consul.
func pair(consul, envoy string) (words string, refused bool) {
	line, known := pairs.Of(consul)
	switch {
	case envoy == "":
		return "not known to fit: it names no version. A Consul that does not serve an Envoy refuses it, and the task ends with 207", false
	case !known:
		return "not known to fit: docs/versions.md has no list of this Consul. A Consul that does not serve an Envoy refuses it, and the task ends with 207", false
	case line.Declares(envoy):
		return "declared by Consul " + line.Consul, false
	case pairs.Older(envoy, line.From):
		return "too old, Consul " + line.Consul + " refuses it; use " + pairs.Nearest(consul, envoy), true
	}
	return "not declared by Consul " + line.Consul + ", which declares " + line.Envoys() + " and serves later ones; docs/versions.md has what was tested", false
}
