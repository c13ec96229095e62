package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X main.version=…); a plain go build says devel.
var version = "devel"

// runVersion is `meshtask version`.
func runVersion(w *world, c call) int {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	fmt.Fprintf(w.stdout, "meshtask %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if !c.on("check") {
		return 0
	}
	return checkVersions(w)
}
