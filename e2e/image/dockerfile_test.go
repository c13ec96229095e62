package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// What is shipped is copied together: a RUN there would need a shell, and an
// emulator for the other architecture. Commands are in exec form for the same reason.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile(harness.Root(t) + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parse(string(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets() {
		st, ok := file.stage(target)
		if !ok {
			t.Errorf("no stage %s", target)
		}
		if !slices.ContainsFunc(st.steps, func(s step) bool { return s.op == "STOPSIGNAL" && s.text == "SIGTERM" }) {
			t.Errorf("%s: no STOPSIGNAL SIGTERM: that of its base, which Fargate sends, would not begin a stop", target)
		}
		for _, s := range st.steps {
			if s.op == "RUN" {
				t.Errorf("%s: RUN %s", target, s.text)
			}
			if commands := []string{"ENTRYPOINT", "CMD", "HEALTHCHECK"}; slices.Contains(commands, s.op) && !s.exec {
				t.Errorf("%s: %s %s is not in exec form", target, s.op, s.text)
			}
			if from := s.flags["from"]; from != "" {
				if _, ok := file.stage(from); !ok {
					t.Errorf("%s: COPY --from=%s: no such stage", target, from)
				}
			}
		}
	}
	for _, arg := range baseArgs() {
		if file.args[arg] == "" || strings.Contains(file.args[arg], ":latest") {
			t.Errorf("%s is %q: want a version", arg, file.args[arg])
		}
	}
}

func TestDockerfileWords(t *testing.T) {
	file, err := parse("ARG A=one\nFROM ${A} AS x\n# no\nENV P=a \\\n  b\nRUN [\"x\", \"y z\"]\nHEALTHCHECK --interval=5s CMD [\"h\"]\n", map[string]string{"A": "two"})
	if err != nil {
		t.Fatal(err)
	}
	st, ok := file.stage("x")
	if !ok || st.from != "two" || len(st.steps) != 3 {
		t.Fatalf("%+v", file)
	}
	if env := st.steps[0].text; env != "P=a b" {
		t.Errorf("a continued line gave %q", env)
	}
	if run := st.steps[1]; !run.exec || !slices.Equal(run.args, []string{"x", "y z"}) {
		t.Errorf("the exec form gave %q", run.args)
	}
	if check := st.steps[2]; !check.exec || check.flags["interval"] != "5s" {
		t.Errorf("the health check gave %+v", check)
	}
	for _, bad := range []string{"FROM x\nADD a b", "FROM x\nCOPY --chmod=1 a b", "USER x\nFROM y"} {
		if _, err := parse(bad, nil); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}
