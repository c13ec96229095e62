package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"meshtask/e2e/harness"
)

// limit bounds a wait for something that has to come: a whole start with Consul's
// document and 200 upstreams takes 20 s on a quiet machine.
const limit = 3 * time.Minute

// bench is what the sections share.
type bench struct {
	program, app, consul, envoy string
	quick                       bool
}

// play measures the wanted sections, prints them, and writes the page where it
// shall.
func play(t harness.T, wanted []chapter, quick, whole bool, out string) {
	b := &bench{quick: quick, program: harness.Plain(t), app: harness.App(t), consul: harness.Consul(t), envoy: harness.Envoy(t)}
	in := setting{begun: time.Now(), machine: machine(), load: load(), command: "make bench",
		parts: fmt.Sprintf("Consul %s, Envoy %s", version(t, b.consul, "version", `Consul v(\S+)`), version(t, b.envoy, "--version", `/(\d+\.\d+\.\d+)/`))}
	t.Logf("growth: %s; %s; load %s", in.machine, in.parts, in.load)
	var found []section
	for _, c := range wanted {
		began := time.Now()
		within(t, func(t harness.T) { found = append(found, c.measure(b, t)) })
		t.Logf("\n%s(%s took %v)", text(found[len(found)-1]), c.key, time.Since(began).Round(time.Second))
	}
	in.took = time.Since(in.begun)
	t.Logf("all took %v; load %s at the begin, %s now", in.took.Round(time.Second), in.load, load())
	if out == "" && whole {
		out = filepath.Join(harness.Root(t), "docs")
	}
	if out == "" {
		return
	}
	if err := write(out, in, found); err != nil {
		t.Fatalf("%v", err)
	}
}

// write leaves the page and its plots in a folder.
func write(dir string, in setting, sections []section) error {
	if err := os.WriteFile(filepath.Join(dir, "benchmarks.md"), []byte(page(in, sections)), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	for _, s := range sections {
		for _, c := range s.charts {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(svg(c)), 0o644); err != nil {
				return fmt.Errorf("write a plot: %w", err)
			}
		}
	}
	return nil
}

// pick is the few of a quick run, or all.
func pick[S any](b *bench, few, all S) S {
	if b.quick {
		return few
	}
	return all
}

// pause lets time pass.
func pause(t harness.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatalf("interrupted")
	}
}

func version(t harness.T, path, arg, pattern string) string {
	out, err := exec.CommandContext(t.Context(), path, arg).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", filepath.Base(path), arg, err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(out)
	if m == nil {
		t.Fatalf("%s %s says no version: %s", filepath.Base(path), arg, out)
	}
	return string(m[1])
}

func machine() string {
	var u unix.Utsname
	release := "of an unknown release"
	if unix.Uname(&u) == nil {
		release = unix.ByteSliceToString(u.Release[:])
	}
	return fmt.Sprintf("Linux %s, %d CPUs, %s", release, runtime.NumCPU(), runtime.Version())
}

// load is the machine's load average: of 1, 5 and 15 minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // it is told as unknown
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}
