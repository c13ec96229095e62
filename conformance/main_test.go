// Package conformance holds what a container init has to do, as a table of cases that any
// init can be put to: `go test ./conformance` tries meshtask, `make bench` others as well.
//
// Each case runs as PID 1 of a namespace of its own, in a pid namespace that belongs to
// someone else (ECS's pidMode: task) and below another init. That needs root and
// CAP_SYS_ADMIN; without them every case runs as a plain child, and the reason is printed.
package conformance

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	initName = flag.String("init", "meshtask", "the init to try")
	binDir   = flag.String("bin", "", "where meshtask and payload have been built; empty builds them")
	// patience is for what takes milliseconds on a quiet machine; builds may share it.
	patience = flag.Duration("patience", 20*time.Second, "how long to wait for what should happen at once")

	places []place // where the cases run, the first one being the fullest
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(setUp(m))
}

func setUp(m *testing.M) int {
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(2) || f.Value.String() == fmt.Sprint(1) {
		_ = f.Value.Set("4") // most cases wait most of the time
	}
	if *binDir == "" {
		dir, err := os.MkdirTemp("", "conformance")
		if err != nil {
			return complain(err)
		}
		defer os.RemoveAll(dir)
		*binDir = dir
		if err := build(dir); err != nil {
			return complain(err)
		}
	}
	var reason string
	if places, reason = findPlaces(); reason != "" {
		fmt.Println("conformance:", reason)
	}
	return m.Run()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "conformance:", err)
	return 1
}

// build makes the program as it is shipped, without the race detector.
func build(dir string) error {
	for _, pkg := range []string{"../cmd/meshtask", "./testdata/payload"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, filepath.Base(pkg)), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
	}
	return nil
}

// kase is one promise.
type kase struct {
	name   string
	own    bool     // of meshtask's own features: other inits have nothing to be tried
	places []string // where it is tried; empty is everywhere
	serial bool     // it loads the machine: nothing beside it
	run    func(*bed)
}

func cases() []kase {
	return slices.Concat(signalCases(), terminalCases(), reapingCases(), exitCases(), streamCases(),
		environmentCases(), restartCases(), readinessCases(), budgetCases(), costCases(), inputCases())
}

func TestConformance(t *testing.T) {
	init, ok := inits()[*initName]
	if !ok {
		t.Fatalf("-init %s: not known", *initName)
	}
	for _, k := range cases() {
		if k.own && *initName != "meshtask" {
			continue
		}
		for _, p := range places {
			if len(k.places) > 0 && !slices.Contains(k.places, p.name) {
				continue
			}
			if *initName != "meshtask" && p.name == "below" {
				continue // of interest for our own alone
			}
			t.Run(k.name+"/"+p.name, func(t *testing.T) {
				if !k.serial {
					t.Parallel()
				}
				k.run(&bed{T: t, init: init, place: p})
			})
		}
	}
}

// TestNamesAreKeys: the bench reads names back from the test's log.
func TestNamesAreKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range cases() {
		if seen[k.name] || strings.ContainsAny(k.name, "_/\"") {
			t.Errorf("%q is there twice, or holds one of _ / \"", k.name)
		}
		seen[k.name] = true
	}
}
