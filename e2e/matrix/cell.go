package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"meshtask/e2e/harness"
)

// cell is a pair to run, and the servers' version where it is another one.
type cell struct {
	Consul string `json:"consul"`
	Envoy  string `json:"envoy"`
	Server string `json:"server,omitempty"`
}

func (c cell) String() string {
	text := "Consul " + c.Consul + ", Envoy " + c.Envoy
	if c.Server != "" {
		text += ", servers " + c.Server
	}
	return text
}

// step is something that a cell runs: a life, the tests of a pattern, or the soak.
type step struct {
	name  string
	about string // for the page
	dir   string // of the tests, below e2e
	tests string // pattern; "" is all of dir
	limit time.Duration
}

func steps() []step {
	return []step{
		{name: "life", limit: 2 * time.Minute,
			about: "two tasks under a denying intention: the call is refused, then allowed and answered through both Envoys; TERM; exit 0, the agents' leave verified, an empty catalog. Measured, in turns with the pinned pair"},
		{name: "tests", dir: ".", limit: 10 * time.Minute,
			tests: "^(TestTaskUpTrafficDown|TestTaskEnvoyKilled|TestTaskAgentKilled|TestTaskHealthyLog|TestTaskConditions|TestTaskSlowAppFollowsItsUpstream|TestTaskJob|TestTaskEnvoyThatConsulRefuses|TestTaskEnvoyThatConsulDoesNotList)$"},
		{name: "acl", dir: ".", limit: 10 * time.Minute, tests: "^(TestTaskACL|TestTaskFollowsARotation)$"},
		{name: "migration", dir: ".", limit: 10 * time.Minute, tests: "^TestMigration$"},
		{name: "agentless", dir: ".", limit: 10 * time.Minute, tests: "^TestAgentless(UpTrafficDown|OutboundFollowsWhileItStops|ACL|KilledIsReaped|IsPutBack|JobAndSiblings|OfConsulECS)$",
			about: "tasks without a client agent: up, traffic both ways with one that has an agent, a token, a kill and its reaping, a document of consul-ecs 0.10 over TLS"},
		{name: "layouts", dir: ".", limit: 10 * time.Minute,
			tests: "^(TestSiblingsAppFirst|TestSiblingsMeshFirst|TestTaskSlowAppOnBothTimelines)$"},
		{name: "bootstrap", dir: "parts", limit: 10 * time.Minute, tests: "^TestEnvoyBootstrap"},
		{name: "parts", dir: "parts", limit: 20 * time.Minute, about: "every test of `e2e/parts`: agent and Envoy, each alone"},
		{name: "soak", limit: 10 * time.Minute,
			about: "rolling replacement under load, both timelines; one lost request fails it, and so does a soak without drain that loses none"},
		{name: "e2e", dir: ".", limit: 30 * time.Minute, about: "every test of `e2e`"},
	}
}

func names() (all []string) {
	for _, s := range steps() {
		all = append(all, s.name)
	}
	return all
}

// bench has the programs that cells run.
type bench struct {
	choice
	binaries map[string]string // test binaries by dir
	soaker   string
	env      []string
	root     string
}

func newBench(t harness.T, c choice) *bench {
	b := &bench{choice: c, binaries: map[string]string{}, root: harness.Root(t)}
	// What is shipped, also where the tests would build it with the race detector.
	plain := harness.Plain(t)
	harness.App(t)
	b.env = append(os.Environ(), "MESHTASK_E2E_BUILT_meshtask-race="+plain)
	out := t.TempDir()
	build := func(name string, argv ...string) string {
		p := harness.Start(t, name, append([]string{"go"}, argv...), nil)
		if p.Wait(t, 10*time.Minute) != 0 {
			t.Fatalf("cannot build %s:\n%s", name, p.Tail(20))
		}
		return filepath.Join(out, name)
	}
	e2e := filepath.Join(b.root, "e2e")
	wanted := func(names ...string) bool {
		return len(c.what) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(c.what, n) })
	}
	if wanted("tests", "acl", "migration", "agentless", "layouts", "e2e") {
		b.binaries["."] = build("e2e.test", "test", "-C", e2e, "-c", "-o", filepath.Join(out, "e2e.test"), ".")
	}
	if wanted("bootstrap", "parts") {
		b.binaries["parts"] = build("parts.test", "test", "-C", e2e, "-c", "-o", filepath.Join(out, "parts.test"), "./parts")
	}
	if wanted("soak") {
		b.soaker = build("soak", "build", "-C", e2e, "-o", filepath.Join(out, "soak"), "./soak")
	}
	return b
}

// result is what a step of a cell has shown.
type result struct {
	OK   bool    `json:"ok"`
	Note string  `json:"note,omitempty"` // what failed, or what was run
	Took float64 `json:"took"`           // seconds
	Runs int     `json:"runs"`           // how often it was run since the last time that it was forgotten; this is the last
	At   string  `json:"at"`

	Ratios *ratios `json:"ratios,omitempty"`
}

func (r result) String() string {
	word := "ok"
	if !r.OK {
		word = "FAILED"
	}
	return fmt.Sprintf("%s, %.0f s %s", word, r.Took, r.Note)
}

// run plays one step of one cell.
func (b *bench) run(t harness.T, c cell, s step) result {
	began := time.Now()
	var r result
	switch s.name {
	case "life":
		r = b.lives(t, c)
	case "soak":
		code, out := b.play(t, c, s.limit, b.soaker, "--for", b.soak.String())
		r = result{OK: code == 0, Note: b.soak.String() + ": " + lastLine(out)}
		if code != 0 {
			r.Note = lastFailure(out)
		}
	default:
		argv := []string{b.binaries[s.dir], "-test.timeout", s.limit.String(), "-test.parallel", "3"}
		if s.tests != "" {
			argv = append(argv, "-test.run", s.tests)
		}
		code, out := b.play(t, c, s.limit, argv...)
		r = result{OK: code == 0, Note: failures(out)}
	}
	r.Took, r.At = time.Since(began).Round(100*time.Millisecond).Seconds(), began.UTC().Format("2006-01-02 15:04")
	return r
}

// play runs a program on the parts of a cell, in the folder of its tests.
func (b *bench) play(t harness.T, c cell, limit time.Duration, argv ...string) (code int, out string) {
	dir := "."
	if filepath.Base(argv[0]) == "parts.test" {
		dir = "parts"
	}
	// Not a shell: it would drop the variables whose names it cannot have.
	line := append([]string{"env", "-C", filepath.Join(b.root, "e2e", dir)}, argv...)
	p := harness.Start(t, "cell", line, append(b.tools(t, c), b.env...))
	select {
	case <-p.Done():
		code = p.Wait(t, limit)
	case <-time.After(limit + time.Minute):
		p.Kill() // its children end with it
		code = 128 + int(syscall.SIGKILL)
	case <-t.Context().Done():
		return 1, ""
	}
	if code != 0 {
		b.keep(t, c, filepath.Base(argv[0]), p.Output())
	}
	return code, p.Output()
}

// keep leaves the output of what failed beside the parts.
func (b *bench) keep(t harness.T, c cell, name, out string) {
	file := filepath.Join(b.dir, "failed", strings.NewReplacer(" ", "", ",", "-").Replace(c.String())+"-"+name+".log")
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(out), 0o644)
	}
	t.Logf("    the output is in %s %v", file, err)
}

// tools are the variables that name the parts of a cell; none for the pinned pair.
func (b *bench) tools(t harness.T, c cell) []string {
	if c == (cell{}) {
		return nil
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run them as another user
		t.Fatalf("%v", err)
	}
	for name, file := range map[string]string{"consul": "consul-" + c.Consul, "envoy": "envoy-" + c.Envoy} {
		path, err := filepath.Abs(filepath.Join(b.dir, file))
		if err == nil {
			_, err = os.Stat(path)
		}
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
	}
	env := []string{harness.ToolsVariable + "=" + dir}
	if c.Server != "" {
		path, err := filepath.Abs(filepath.Join(b.dir, "consul-"+c.Server))
		if err != nil {
			t.Fatalf("%v", err)
		}
		env = append(env, harness.ServerVariable+"="+path)
	}
	return env
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// failures names the tests that failed.
func failures(out string) string {
	var names []string
	for _, m := range failed.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 && !strings.Contains(out, "PASS") {
		return lastLine(out)
	}
	return strings.Join(names, " ")
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
