package task

import (
	"slices"
	"strings"
	"testing"

	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/lifecycle"
)

// steps are what the units say, one word each: "token start", "app exec".
func steps(text string) (out []event.Entry) {
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		unit, word, _ := strings.Cut(strings.TrimSpace(line), " ")
		out = append(out, event.Entry{Unit: unit, Event: map[string]event.Event{"start": event.Start{}, "ready": event.Ready{}, "exec": event.Exec{},
			"ended": event.Ended{}, "shutdown": event.Shutdown{}}[word]})
	}
	return out
}

// The marks of the page stand right behind what reaches them, each once, and none of the way
// up once the stop has begun.
func TestMarks(t *testing.T) {
	const (
		up   = "token start, token ready, consul-agent start, consul-agent exec, consul-agent ready, mesh-init start, mesh-init ready, envoy start, health-sync start, envoy exec, envoy ready, inbound start, app start"
		down = "task shutdown, health-sync ended, inbound ended, app ended, envoy ended, mesh-init ended, token ended, consul-agent ended"
	)
	for name, c := range map[string]struct {
		mode    config.Mode
		command bool
		life    string
		want    string // an entry and the marks behind it
	}{
		"a whole life": {config.Run, true, up + ", app exec, app ready, " + down,
			"token start: up T0, mesh-init ready: up T1, app exec: up T2, task shutdown: down T0, envoy ended: down T1, consul-agent ended: down T2 down T3"},
		"an app that starts again": {config.Run, true, up + ", app exec, app exec, " + down,
			"token start: up T0, mesh-init ready: up T1, app exec: up T2, task shutdown: down T0, envoy ended: down T1, consul-agent ended: down T2 down T3"},
		"siblings": {config.Run, false, up + ", app ready, " + down,
			"token start: up T0, mesh-init ready: up T1, envoy ready: up T2, task shutdown: down T0, envoy ended: down T1, consul-agent ended: down T2 down T3"},
		"a stop before T1": {config.Run, true, "token start, token ready, consul-agent start, task shutdown, mesh-init ready, app exec, token ended, consul-agent ended",
			"token start: up T0, task shutdown: down T0 down T1, consul-agent ended: down T2 down T3"},
		"a plain init": {config.NoMesh, true, "app start, app exec, app ready, app ended, task shutdown",
			"app start: up T0, app exec: up T2, task shutdown: down T0 down T3"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, command := `{}`, sh("true")
			if c.mode == config.Run {
				doc = `{` + meshDoc + `}`
			}
			if !c.command {
				command = nil
			}
			p := load(t, c.mode, ecs.LocalNamed("t1"), doc, nil, command...)
			follow := marksOf(p)
			var got []string
			for _, e := range steps(c.life) {
				var reached []string
				for _, m := range follow(e) {
					way := event.Up // the record gives it that of its place
					if strings.Contains(strings.Join(got, " "), "shutdown") || e.Event == (event.Shutdown{}) {
						way = event.Down
					}
					reached = append(reached, way+" "+m.Name)
				}
				if reached != nil {
					got = append(got, e.Unit+" "+word(e)+": "+strings.Join(reached, " "))
				}
			}
			if want := strings.Split(c.want, ", "); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// The record has them so: the way and the label of an entry are those of its place.
func TestMarksInTheRecord(t *testing.T) {
	tk := &task{plan: load(t, config.NoMesh, ecs.LocalNamed("t1"), `{}`, nil, sh("true")...), book: journal.New(newBed(t).d.Begin)}
	tk.tellRows()
	app := tk.book.Report(string(lifecycle.App))
	app(event.Start{})
	tk.book.Report(event.Task)(event.Shutdown{Cause: "TERM"})
	app(event.Exec{PID: 7}) // too late to be up
	app(event.Ended{})
	var got []string
	for _, e := range tk.book.Entries() {
		got = append(got, e.Way+" "+e.Mark+" "+e.Unit+" "+word(e))
	}
	want := []string{"up T2 app start", "up T0 task up T0", "down  task shutdown", "down T0 task down T0", "down T0 app exec", "down T0 app ended", "down T3 task down T3"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
