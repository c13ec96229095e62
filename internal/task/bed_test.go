package task

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/linewriter"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/internal/statedir"
	"meshtask/internal/testbed/eventually"
)

// bed is where one task lives: its directories, its streams, its signals.
type bed struct {
	t       *testing.T
	dir     string // of files that a command writes
	state   string // the state directory
	d       Deps
	signals chan os.Signal
	ended   chan Outcome
	planned bool // the planner was asked
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), state: filepath.Join(t.TempDir(), "state"), signals: make(chan os.Signal), ended: make(chan Outcome, 1)}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	dir, err := statedir.Open([]string{b.state}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	out := linewriter.New(null)
	t.Cleanup(func() {
		signal.Stop(children)
		dir.Close()
		out.Close(eventually.Patience)
		null.Close()
	})
	b.d = Deps{Begin: time.Now(), Env: []string{"PATH=/usr/bin:/bin", "BED=" + b.dir}, Stdin: null, Stdout: null, Stderr: null, Signals: b.signals,
		Children: children, Local: ecs.LocalNamed("t1"), Dir: dir, Log: hclog.NewNullLogger(), Out: out}
	return b
}

// load is a plan of a document. flags are those of the command line.
func load(t *testing.T, mode config.Mode, id ecs.Identity, doc string, flags map[string]string, command ...string) *plan.Plan {
	t.Helper()
	c, _, err := config.Load(config.Sources{Mode: mode, Name: "config.json", File: []byte(doc), Flags: flags, Command: command})
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(c, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sh is a command for the shell.
func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// begin runs the task of p.
func (b *bed) begin(p *plan.Plan) {
	b.d.Kind = p.Kind
	b.run(b.t.Context(), func(ecs.Identity) (*plan.Plan, error) { return p, nil })
}

func (b *bed) run(ctx context.Context, planner Planner) {
	go func() {
		b.ended <- Run(ctx, func(id ecs.Identity) (*plan.Plan, error) {
			b.planned = true
			return planner(id)
		}, b.d)
	}()
}

// send is a signal to the task, which has taken it when send returns.
func (b *bed) send(s syscall.Signal) {
	b.t.Helper()
	select {
	case b.signals <- s:
	case <-time.After(eventually.Patience):
		b.t.Fatalf("nobody took %v", s)
	}
}

func (b *bed) end() Outcome {
	b.t.Helper()
	return eventually.Get(b.t, "the task's end", b.ended)
}

// file waits until a command has written the file.
func (b *bed) file(name string) {
	b.t.Helper()
	eventually.True(b.t, name, func() bool { return b.has(name) })
}

// up waits until the app has set its traps, and is up by the record, which may be slower.
func (b *bed) up() {
	b.t.Helper()
	b.file("up")
	b.told("app", "ready")
}

func (b *bed) has(name string) bool {
	_, err := os.Stat(filepath.Join(b.dir, name))
	return err == nil
}

// told waits until the record has an event of the unit that is of e's kind.
func (b *bed) told(unit, words string) {
	b.t.Helper()
	eventually.True(b.t, unit+" "+words, func() bool { return slices.Contains(b.record(), unit+" "+words) })
}

// record is the way of the life by timeline.jsonl: "app exec", "task T2".
func (b *bed) record() []string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.state, journal.TimelineFile))
	if err != nil {
		b.t.Fatal(err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1] // the rest is being written
	record, err := journal.Read(bytes.NewReader(text))
	if err != nil && len(text) > 0 {
		b.t.Fatal(err)
	}
	var out []string
	for _, e := range record.Entries {
		out = append(out, e.Unit+" "+word(e))
	}
	return out
}

func word(e event.Entry) string {
	switch ev := e.Event.(type) {
	case event.Mark:
		return e.Way + " " + ev.Name
	case event.Stop:
		if ev.Moot {
			return "moot"
		}
	}
	if name, ok := event.Step(e.Event); ok {
		return strings.Fields(name)[0]
	}
	name, _, _ := event.Words(e.Event)
	return name
}

// ordered fails when the events are not in the record in this order; others may be between.
func (b *bed) ordered(want ...string) {
	b.t.Helper()
	rest := b.record()
	for _, w := range want {
		i := slices.Index(rest, w)
		if i < 0 {
			b.t.Errorf("no %q at its place in %q", w, b.record())
			return
		}
		rest = rest[i+1:]
	}
}

// check compares an outcome, and the summary that was written with the one that is returned.
func (b *bed) check(out Outcome, code int, why event.Code) state.Summary {
	b.t.Helper()
	if out.Code != code || out.Summary.Exit != code {
		b.t.Errorf("exit %d, in the summary %d; want %d (%s)", out.Code, out.Summary.Exit, code, out.Summary.Line())
	}
	if out.Summary.Why == nil || out.Summary.Why.Code != why {
		b.t.Errorf("because of %+v, want %s", out.Summary.Why, why)
	}
	written, err := os.ReadFile(filepath.Join(b.state, journal.SummaryFile))
	if err != nil || string(bytes.TrimSpace(written)) != out.Summary.Line() {
		b.t.Errorf("summary.json is not what is returned: %s, %v", written, err)
	}
	return out.Summary
}

func marks(s state.Summary) string {
	var out []string
	for way, all := range s.Marks {
		for name := range all {
			out = append(out, way+" "+name)
		}
	}
	slices.Sort(out)
	text, _ := json.Marshal(out)
	return string(text)
}
