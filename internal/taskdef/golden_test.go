package taskdef

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Each archive is one shape met in the world: options, the definition, what it
// becomes, and every finding.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d shapes, want at least a dozen: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := convert(t, section(a, "in"), options(t, section(a, "options")))
			var said bytes.Buffer
			for _, f := range r.Findings {
				fmt.Fprintln(&said, f)
			}
			if *update {
				a.Files = append(a.Files[:2], txtar.File{Name: "findings", Data: said.Bytes()}, txtar.File{Name: "out", Data: r.New})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(section(a, "findings")), said.String()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(string(section(a, "out")), string(r.New)); diff != "" {
				t.Errorf("definition (-want +got):\n%s", diff)
			}
			whole(t, r)
		})
	}
}

// update writes the goldens anew.
var update = flag.Bool("update", false, "write the goldens anew")

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// options are in the archive as JSON; the configuration is a string there.
func options(t *testing.T, text []byte) Options {
	t.Helper()
	var o struct {
		Options
		Config string
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	if o.Config != "" {
		o.Options.Config = []byte(o.Config)
	}
	return o.Options
}

func convert(t *testing.T, in []byte, o Options) *Result {
	t.Helper()
	r, err := Convert(in, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The agent logs in as its script says: with that method, or not at all, as
// where it had AGENT_TOKEN.
func TestAgentLogin(t *testing.T) {
	a, err := txtar.ParseFile("testdata/v05-login-partition.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string]string{
		"consul login \\\\\\n      -type aws -method mine": `\"agentMethod\":\"mine\"`,
		"true": "",
	} {
		in := strings.ReplaceAll(string(section(a, "in")), "consul login ", script+" ")
		out := string(convert(t, []byte(in), options(t, section(a, "options"))).New)
		if got := strings.Contains(out, "agentMethod"); got != (want != "") || !strings.Contains(out, want) {
			t.Errorf("%s: agentMethod in it: %v, want %q", script, got, want)
		}
	}
}
