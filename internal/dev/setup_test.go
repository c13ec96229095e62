package dev

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/statedir"
	"meshtask/internal/task"
	"meshtask/supervisor"
)

func asked(server string, more ...func(*Asked)) Asked {
	a := Asked{Command: "/bin/Web", Port: 18080, Server: server, Temp: "/tmp"}
	for _, m := range more {
		m(&a)
	}
	return a
}

// Two at once share nothing but the server, and everything is given back.
func TestChoose(t *testing.T) {
	const given = "127.78.77.9"
	a, err := Choose(t.Context(), asked(given))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Choose(t.Context(), asked(given))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if a.Task.Service != "web" || a.Task.ID == b.Task.ID || a.Task.Address == b.Task.Address || a.Task.Port != 18080 || b.Task.Port == 18080 || a.Dir == b.Dir {
		t.Errorf("%+v and %+v", a, b)
	}
	if moved := strings.Join(b.passed, ""); !strings.Contains(moved, "port 18080 of 127.0.0.1 is taken: the app gets PORT=") {
		t.Errorf("said %q", moved)
	}
	if !a.StartsServer || b.StartsServer || a.Task.Server != given || b.Task.Server != given {
		t.Errorf("one of the two starts the server: %+v and %+v", a, b)
	}
	if !strings.Contains(string(b.Document), `"retryJoin": [`+"\n      \""+given) {
		t.Errorf("%s", b.Document)
	}
	c, err := ecs.New(b.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if id, err := c.Identity(t.Context(), nil); err != nil || id.ID != b.Task.ID || id.Address != b.Task.Address {
		t.Errorf("%+v, %v", id, err)
	}
	a.Close()
	if _, err := http.Get(a.Metadata); err == nil {
		t.Error("the endpoint outlives its task")
	}
	again, err := Choose(t.Context(), asked(given))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Task.Port != 18080 || !again.StartsServer {
		t.Errorf("port and server were not given back: %+v", again)
	}
}

// Without an agent the same server is started, or asked; a server on another machine need not
// reach the task.
func TestChooseAgentless(t *testing.T) {
	const given = "127.78.77.12"
	agentless := func(a *Asked) { a.Agentless = true }
	for server, starts := range map[string]bool{given: true, "10.0.0.9": false} {
		s, err := Choose(t.Context(), asked(server, agentless))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.StartsServer != starts || !strings.Contains(string(s.Document), `"hosts": "`+server+`"`) || strings.Contains(string(s.Document), "consulAgent") {
			t.Errorf("%+v: %s", s, s.Document)
		}
	}
}

// Servers that are named anywhere are somebody else's.
func TestChooseStartsNoServerBesideOthers(t *testing.T) {
	for what, a := range map[string]Asked{
		"--retry-join":   asked("", func(a *Asked) { a.Joins = true }),
		"the document":   asked("", func(a *Asked) { a.Document = []byte(`{"consulAgent":{"retryJoin":["10.0.0.9"]}}`) }),
		"another's host": asked("10.0.0.9", func(a *Asked) { a.Document = []byte(`{"task":{"address":"10.0.0.7"}}`) }),
	} {
		s, err := Choose(t.Context(), a)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer s.Close()
		if s.StartsServer || s.local {
			t.Errorf("%s: %+v", what, s)
		}
		path := filepath.Join(t.TempDir(), "state")
		dir, err := statedir.Open([]string{path}, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		end, err := s.Start(t.Context(), task.Tools{Dir: dir}, nil)
		if err != nil || end != nil {
			t.Errorf("%s: something was started: %v", what, err)
		}
		if text, err := os.ReadFile(filepath.Join(path, "config.json")); err != nil || string(text) != string(s.Document) {
			t.Errorf("%s: %s, %v", what, text, err)
		}
		_ = dir.Close()
	}
}

func TestTheServersErrorsHaveCodes(t *testing.T) {
	s, err := Choose(t.Context(), asked("127.78.77.10"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir, err := statedir.Open([]string{filepath.Join(t.TempDir(), "state")}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var argv []string
	none := func(_ string, a, _ []string) (*supervisor.Child, error) {
		argv = a
		return nil, errors.New("no consul")
	}
	_, err = s.Start(t.Context(), task.Tools{Dir: dir, Consul: func() (string, error) { return "/bin/consul", nil }, Start: none}, nil)
	if c := event.CauseOf(err); c == nil || c.Code != event.ConsulMissing || len(argv) < 2 || argv[0] != "/bin/consul" || argv[1] != "agent" {
		t.Errorf("%v of %q", err, argv)
	}
	s.StartsServer = false // another task does, and never gets there
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Start(ctx, task.Tools{Dir: dir}, nil)
	if c := event.CauseOf(err); c == nil || c.Code != event.ConsulNoLeader {
		t.Errorf("%v", err)
	}
}
