package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"meshtask/internal/event"
	"meshtask/internal/installed"
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

// runVersion is `meshtask version`; --check says which consul and envoy would be run, and what is
// known of the pair: 0, or 202, 204 or 207.
func runVersion(w *world, c call) int {
	fmt.Fprint(w.stdout, versionLine())
	if !c.On("check") {
		return 0
	}
	pair, err := installed.Find(context.Background(), w.chld, w.env, w.getenv("PATH"))
	if err != nil {
		return w.fail(event.CauseOf(err).Code.Exit(), "%v", err)
	}
	fmt.Fprint(w.stdout, pair)
	if pair.Refused {
		return event.EnvoyVersion.Exit()
	}
	return 0
}
