package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"meshtask/consulagent"
	"meshtask/envoy"
	"meshtask/envoy/pairs"
	"meshtask/supervisor"
)

// version is set by the linker (-X main.version=…); a plain go build says devel.
var version = "devel"

// versionLine is what `meshtask version` prints of itself.
func versionLine() string {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	return fmt.Sprintf("meshtask %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// runVersion is `meshtask version`.
func runVersion(w *world, c call) int {
	fmt.Fprint(w.stdout, versionLine())
	if !c.On("check") {
		return 0
	}
	return checkVersions(w)
}

// checkVersions prints which consul and envoy would be run, and what is known of the pair: 0,
// or 202, 204 or 207.
func checkVersions(w *world) int {
	sup, err := supervisor.New(w.chld, nil)
	if err != nil {
		return w.fail(exitInternal, "%v", err)
	}
	defer sup.Close()
	ctx := context.Background()
	consul, err := supervisor.Look("consul", w.getenv("PATH"))
	if err != nil {
		return w.fail(exitConsul, "%v", err)
	}
	c, err := consulagent.Version(ctx, sup, consul, w.env)
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
	words, refused := pairs.Known(c, v)
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
