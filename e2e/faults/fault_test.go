package faults

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/internal/journal"
	"meshtask/internal/state"
	"meshtask/internal/why"
)

var update = flag.Bool("update", false, "write docs/faults")

// fault is one thing that is wrong, and what is to be said of it.
type fault struct {
	name   string // of its page
	title  string // what an operator sees to be broken
	broken string // what the test has done, in a sentence

	acl    bool         // at the server with ACLs
	own    bool         // at a server of its own
	before func(b *bed) // changes the configuration and the environment; nil: nothing
	args   []string     // instead of "run"
	bare   bool         // without a configuration
	cmd    func(b *bed) []string
	up     bool         // it comes up first
	act    func(b *bed) // on the live task; nil: nothing

	live string           // the code while it lives; "": it does not live long enough to be asked
	not  []string         // conditions that do not hold then
	stop []syscall.Signal // what it is sent at last; none: it ends by itself

	exit int
	code string
	says []string // in the cause, in what is quoted, or in the fix
}

// seen is what one life of it came to.
type seen struct {
	live     string // `why` of the live task; "": none
	status   status
	end      answer
	endText  string
	log      string
	normal   func(string) string
	exit     int
	fromText string // the normalised cause
}

// TestFaults breaks a task in each way of the table, twice: with a log in text and in JSON.
func TestFaults(t *testing.T) {
	open := harness.StartServer(t, harness.ServerConfig{})
	acls := sync.OnceValue(func() *harness.Server { return harness.StartServer(t, harness.ServerConfig{ACL: true}) })
	harness.Plain(t)
	harness.App(t)
	all := table()
	var mu sync.Mutex
	pages := map[string]page{}
	t.Run("table", func(t *testing.T) {
		for _, f := range all {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				var text, doc seen
				for format, into := range map[string]*seen{"text": &text, "json": &doc} {
					t.Run(format, func(t *testing.T) {
						t.Parallel()
						server := open
						switch {
						case f.own:
							server = harness.StartServer(t, harness.ServerConfig{})
						case f.acl:
							server = acls()
						}
						*into = f.play(newBed(t, server, format))
					})
				}
				t.Cleanup(func() { // both have ended then
					if text.end.Cause != "" && doc.end.Cause != "" && (text.end.Code != doc.end.Code || text.fromText != doc.fromText) {
						t.Errorf("text and JSON differ:\n%s %s\n%s %s", text.end.Code, text.fromText, doc.end.Code, doc.fromText)
					}
					mu.Lock()
					defer mu.Unlock()
					pages[f.name] = newPage(f, text)
				})
			})
		}
	})
	if *update || !t.Failed() {
		check(t, filepath.Join(harness.Root(t), "docs", "faults"), all, pages)
	}
}

// play is one life.
func (f fault) play(b *bed) (s seen) {
	b.t.Helper()
	if f.before != nil {
		f.before(b)
	}
	if f.bare {
		b.config = nil
	}
	cmd := b.app()
	if f.cmd != nil {
		cmd = f.cmd(b)
	}
	b.start(append(b.args, f.args...), cmd)
	if f.up {
		b.up()
	}
	if f.act != nil {
		f.act(b)
	}
	if f.live != "" {
		s.status = b.live(f.live, f.not)
		s.live = b.ask("", "--dir", b.Dir)
		f.agrees(b, "live", f.live, s.live)
	}
	for _, sig := range f.stop {
		if err := b.Signal(sig); err != nil {
			b.t.Fatal(err)
		}
	}
	s.exit = b.Wait(b.t, 90*time.Second)
	if s.exit != f.exit {
		b.t.Errorf("exit code %d, want %d:\n%s", s.exit, f.exit, b.Tail(30))
	}
	b.gone()
	s.log, s.normal = b.Output(), b.normal
	f.three(b, &s)
	return s
}

// three asks the directory and the log, plain and as routers prefix it, and wants one answer.
func (f fault) three(b *bed, s *seen) {
	b.t.Helper()
	s.endText = b.ask("", "--dir", b.Dir)
	s.end = b.said(b.ask("", "--json", "--dir", b.Dir))
	f.agrees(b, "directory", f.code, s.endText)
	s.fromText = b.normal(s.end.State + " " + s.end.Cause)
	same := func(from string, a answer) {
		b.t.Helper()
		if got := b.normal(a.State + " " + a.Cause); a.Code != s.end.Code || got != s.fromText || a.Fix != s.end.Fix {
			b.t.Errorf("%s differs from the directory:\n%s %s\n%s %s\nof the log\n%s", from, a.Code, got, s.end.Code, s.fromText, s.log)
		}
	}
	same("log", b.said(b.ask(s.log, "--json", "-")))
	for from, prefix := range map[string]func(n int, line string) string{
		"docker": func(n int, line string) string {
			return fmt.Sprintf("2026-11-30T01:02:%02d.%09dZ ", n/1000%60, n) + line
		},
		"compose": func(_ int, line string) string { return "web-1  | " + line },
		"cloudwatch": func(n int, line string) string {
			return fmt.Sprintf("2026-11-30T01:02:%02d.%03dZ ecs/web/4f2a9c ", n/1000%60, n%1000) + line
		},
	} {
		var log bytes.Buffer
		for n, line := range strings.Split(strings.TrimSuffix(s.log, "\n"), "\n") {
			fmt.Fprintln(&log, prefix(n, line))
		}
		record, err := journal.Read(&log)
		if err != nil {
			b.t.Errorf("%s: %v", from, err)
			continue
		}
		a := why.Explain(why.Facts{State: state.Of(record.Entries)})
		if record.Why != nil {
			a = *record.Why
		}
		same(from, answer{State: a.State, Code: string(a.Code), Cause: a.Cause, Fix: a.Fix})
	}
}

// agrees checks an answer for a code, and for what it is to say.
func (f fault) agrees(b *bed, from, code, text string) {
	b.t.Helper()
	if !strings.Contains(text, "(code "+code+";") {
		b.t.Errorf("%s: want code %s in\n%s\n%s", from, code, text, b.Tail(25))
	}
	for _, word := range f.says {
		if text := b.normal(text); code == f.code && !strings.Contains(text, word) {
			b.t.Errorf("%s: no %q in\n%s", from, word, text)
		}
	}
}

// check writes the pages, or compares what each says of the fault with what was seen.
func check(t *testing.T, dir string, all []fault, pages map[string]page) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var index strings.Builder
	index.WriteString(introduction)
	known := map[string]bool{"README.md": true}
	for _, f := range all {
		known[f.name+".md"] = true
		name := filepath.Join(dir, f.name+".md")
		was := read(t, name)
		if p, ok := pages[f.name]; ok && p.seen.end.Code != "" { // else only a part of the table was run
			now := p.text()
			switch {
			case *update:
				write(t, name, now)
				was = now
			case heart(was) != heart(now):
				t.Errorf("%s does not say what was seen; `make faults` writes it. It says\n%swhat was seen is\n%s", name, heart(was), heart(now))
			}
		}
		index.WriteString(row(f.name, was))
	}
	name := filepath.Join(dir, "README.md")
	if *update {
		write(t, name, index.String())
	} else if read(t, name) != index.String() {
		t.Errorf("%s is stale: `make faults` writes it", name)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			t.Errorf("%s is no fault of the table", filepath.Join(dir, e.Name()))
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
