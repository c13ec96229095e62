package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X main.version=…); a plain go build says devel.
var version = "devel"

// versionLine is what `meshtask version` prints of itself.
func (w *world) versionLine() string {
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
	fmt.Fprint(w.stdout, w.versionLine())
	if !c.on("check") {
		return 0
	}
	return checkVersions(w)
}
