package plan

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"meshtask/envoy/bootstrap"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
)

var update = flag.Bool("update", false, "write the plans into testdata")

// Each file of testdata/plans is a configuration (config.json or consul-ecs.json, mode, env and
// command, all of them optional) and the plan that follows, as text and as JSON.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d plans, want at least ten (%v)", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := planOf(t, archive)
			text, err := p.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, archive, "plan.txt", []byte(p.Text()))
			golden(t, archive, "plan.json", append(text, '\n'))
			if *update {
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// identity is what the task metadata endpoint says.
var identity = ecs.Identity{ID: "5f2c", Family: "Web", Cluster: "shop", Address: "10.0.3.9", ARN: "arn:aws:ecs:eu-west-1:111122223333:task/shop/5f2c", Container: "mesh"}

func planOf(t *testing.T, archive *txtar.Archive) *Plan {
	t.Helper()
	env := map[string]string{}
	for line := range strings.Lines(section(archive, "env")) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[k] = v
	}
	if doc := section(archive, "consul-ecs.json"); doc != "" {
		env["CONSUL_ECS_CONFIG_JSON"] = doc
	}
	s := config.Sources{
		Mode: map[string]config.Mode{"": config.Run, "job": config.Job, "no-mesh": config.NoMesh, "app": config.Sibling}[strings.TrimSpace(section(archive, "mode"))],
		Env:  func(name string) (string, bool) { v, ok := env[name]; return v, ok }, Command: strings.Fields(section(archive, "command")),
	}
	if doc := section(archive, "config.json"); doc != "" {
		s.Name, s.File = "config.json", []byte(doc)
	}
	c, _, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(c, identity)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func golden(t *testing.T, a *txtar.Archive, name string, got []byte) {
	t.Helper()
	if want := section(a, name); !bytes.Equal([]byte(want), got) && !*update {
		t.Errorf("%s: %s", name, cmp.Diff(want, string(got)))
	}
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = got
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: got})
}

// No plan holds a secret: the references of these are variables whose values are known.
func TestAPlanHoldsNoSecret(t *testing.T) {
	archive := txtar.Parse([]byte(`
-- env --
CONSUL_HTTP_TOKEN=s3cret-service
AGENT_TOKEN=s3cret-agent
CONSUL_GOSSIP_ENCRYPTION_KEY=s3cret-gossip
DB=s3cret-db
-- config.json --
{"consulAgent": {"retryJoin": ["10.0.0.1"]}, "app": {"env": {"PGPASSWORD": "env:DB"}}, "service": {"port": 80}}
-- command --
server
`))
	p := planOf(t, archive)
	text, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{string(text), p.Text()} {
		if strings.Contains(out, "s3cret") {
			t.Errorf("a secret is in the plan:\n%s", out)
		}
		for _, ref := range []string{"env:CONSUL_HTTP_TOKEN", "env:AGENT_TOKEN", "env:CONSUL_GOSSIP_ENCRYPTION_KEY", "env:DB"} {
			if !strings.Contains(out, ref) {
				t.Errorf("%s is not in the plan:\n%s", ref, out)
			}
		}
	}
}

// The names that the configuration takes are those of the bootstrap document.
func TestStatsTagNames(t *testing.T) {
	if diff := cmp.Diff(bootstrap.StatsTagNames(), config.StatsTagNames()); diff != "" {
		t.Error(diff)
	}
}
