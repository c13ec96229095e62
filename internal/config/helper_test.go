package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"meshtask/internal/ecs"
)

// vars is an environment.
type vars map[string]string

func (v vars) lookup(name string) (string, bool) {
	s, ok := v[name]
	return s, ok
}

// good is a document that needs nothing else.
const good = `{"consulAgent":{"retryJoin":["10.0.3.7"]}}`

// load loads a document that must be right.
func load(t *testing.T, s Sources) (*Config, []Finding) {
	t.Helper()
	c, warnings, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

// fargate is the identity of a task on AWS.
func fargate() ecs.Identity {
	return ecs.Identity{
		ID: "0a1b", Family: "Web-App", Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/prod", Address: "10.0.1.7",
		ARN: "arn:aws:ecs:us-east-1:123456789012:task/prod/0a1b", Container: "main", Zone: "us-east-1a", Revision: "41", LaunchType: "FARGATE",
	}
}

// resolved loads and resolves.
func resolved(t *testing.T, s Sources, id ecs.Identity) *Config {
	t.Helper()
	c, _ := load(t, s)
	if err := c.Resolve(id); err != nil {
		t.Fatal(err)
	}
	return c
}

// findings are the errors of a bad document, one string each.
func findings(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Errors](err)
	if !ok {
		t.Fatalf("%v is no *Errors", err)
	}
	return lines(e.Findings)
}

func lines(list []Finding) []string {
	var l []string
	for _, f := range list {
		l = append(l, f.String())
	}
	return l
}

// told fails unless each finding contains the text at its place, and there
// are no others.
func told(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i, w := range want {
		if i >= len(got) || !strings.Contains(got[i], w) {
			t.Errorf("finding %d: want %q, got\n  %s", i, w, strings.Join(got, "\n  "))
			return
		}
	}
	if len(got) > len(want) {
		t.Errorf("more than %d findings:\n  %s", len(want), strings.Join(got[len(want):], "\n  "))
	}
}

// read is an example.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
