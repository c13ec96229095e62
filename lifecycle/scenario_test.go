package lifecycle

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden timelines of testdata/*.txtar")

// fake is a unit in fake time. Each latency differs, since synctest does not
// order what happens at one instant.
type fake struct {
	ready time.Duration // until it calls ready
	end   time.Duration // from stop to its end
	kill  time.Duration // from the end of its ctx to its end
	life  time.Duration // until it ends by itself; 0 = never
	err   error         // what it ends with by itself
	never bool          // it never becomes ready
	deaf  bool          // it does not hear stop
	twice bool          // it calls ready twice, and again when it has been stopped
}

func (f fake) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	after := func(d time.Duration, on bool) <-chan time.Time {
		if !on {
			return nil
		}
		return time.After(d)
	}
	isReady, dies := after(f.ready, !f.never), after(f.life, f.life > 0)
	var ends <-chan time.Time
	if f.deaf {
		stop = nil
	}
	for {
		select {
		case <-isReady:
			ready()
			if f.twice {
				ready()
			}
		case <-dies:
			return f.err
		case <-stop:
			stop = nil
			ends = time.After(f.end)
			if f.twice {
				ready()
			}
		case <-ends:
			return nil
		case <-ctx.Done():
			time.Sleep(f.kill)
			return context.Cause(ctx)
		}
	}
}

// A scenario is a .txtar file: units (their latencies), events (when which
// signal comes) and the golden timeline.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, section(a, "units"), section(a, "events"))
			if want := section(a, "timeline"); got != want {
				if *update {
					setSection(a, "timeline", got)
					if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				t.Error(cmp.Diff(want, got))
			}
		})
	}
}

func play(t *testing.T, units, events string) (log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rows, runners := cast(t, units)
		begin := time.Now()
		var b strings.Builder
		line := func(format string, args ...any) {
			fmt.Fprintf(&b, "%-8s %s\n", time.Since(begin), fmt.Sprintf(format, args...))
		}
		marker := NewMarker(rows, true)
		c := Conductor{Timeline: rows, Runners: runners, KillAfter: 29300 * time.Millisecond}
		c.Observe = func(e Event, actions []Action) {
			narrate(line, e, actions)
			reached := observe(marker, e, actions)
			for _, a := range actions {
				if s, ok := a.(Start); ok && s.Unit == App {
					reached = append(reached, marker.Executed()...)
				}
			}
			for _, r := range reached {
				line("%s %s", map[bool]string{false: "up", true: "down"}[r.Down], r.Mark)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		hurry := make(chan struct{})
		over := make(chan struct{})
		go signals(events, cancel, hurry, over)
		out := c.Run(ctx, hurry)
		close(over)
		line("outcome %v, killed %v", out.Cause, out.Killed)
		log = b.String()
	})
	return log
}

// observe gives a Marker what the machine was told and what it decided.
func observe(k *Marker, e Event, actions []Action) (out []Reached) {
	switch e := e.(type) {
	case Ready:
		out = append(out, k.Ready(e.Unit)...)
	case Ended:
		out = append(out, k.Ended(e.Unit)...)
	case DeadlinePassed:
		out = append(out, k.Spent()...)
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Start:
			out = append(out, k.Started(a.Unit)...)
		case Shutdown:
			out = append(out, k.Shutdown()...)
		}
	}
	return out
}

// cast reads "name ready=1ms end=2ms life=3s err=x never deaf twice" lines.
// The first line may say "agent-first" or "without a b c".
func cast(t *testing.T, units string) (Timeline, map[Unit]Runner) {
	rows, runners := Documented(), map[Unit]Runner{}
	for i, r := range rows {
		runners[r.Unit] = fake{ready: time.Duration(10+i) * time.Millisecond, end: time.Duration(20+i) * time.Millisecond,
			kill: time.Duration(1+i) * time.Millisecond}
	}
	for l := range strings.SplitSeq(strings.TrimSpace(units), "\n") {
		words := strings.Fields(l)
		switch {
		case len(words) == 0:
		case words[0] == "agent-first":
			rows = AgentFirst()
		case words[0] == "without":
			for _, w := range words[1:] {
				rows = rows.Without(Unit(w))
			}
		default:
			f := runners[Unit(words[0])].(fake)
			for _, w := range words[1:] {
				set(t, &f, w)
			}
			runners[Unit(words[0])] = f
		}
	}
	return rows, runners
}

func set(t *testing.T, f *fake, word string) {
	key, value, _ := strings.Cut(word, "=")
	d, err := time.ParseDuration(value)
	switch key {
	case "ready":
		f.ready = d
	case "end":
		f.end = d
	case "life":
		f.life = d
	case "err":
		f.err, err = errors.New(value), nil
	case "never":
		f.never, err = true, nil
	case "deaf":
		f.deaf, err = true, nil
	case "twice":
		f.twice, err = true, nil
	default:
		t.Fatalf("unknown word %q", word)
	}
	if err != nil {
		t.Fatalf("%q: %v", word, err)
	}
}

// signals plays "60s TERM" lines: the first TERM cancels, later ones hurry.
func signals(events string, cancel context.CancelCauseFunc, hurry chan<- struct{}, over <-chan struct{}) {
	begin, first := time.Now(), true
	for l := range strings.SplitSeq(strings.TrimSpace(events), "\n") {
		at, name, ok := strings.Cut(strings.TrimSpace(l), " ")
		if !ok {
			continue
		}
		d, _ := time.ParseDuration(at)
		select {
		case <-time.After(d - time.Since(begin)):
		case <-over:
			return
		}
		if first {
			cancel(errors.New(name))
			first = false
			continue
		}
		select {
		case hurry <- struct{}{}:
		case <-over:
			return
		}
	}
}

func narrate(line func(string, ...any), e Event, actions []Action) {
	switch e := e.(type) {
	case Ready:
		line("%s ready", e.Unit)
	case Ended:
		line("%s ended%s", e.Unit, map[bool]string{true: ": " + fmt.Sprint(e.Err)}[e.Err != nil])
	case Hurry, DeadlinePassed:
		line("%s", strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "lifecycle.")))
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Start:
			line("start %s", a.Unit)
		case Stop:
			line("stop %s", a.Unit)
		case Kill:
			line("kill %s%s", a.Unit, map[bool]string{true: " (moot)"}[a.Moot])
		case Shutdown:
			line("shutdown %s", a.Cause)
		}
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setSection(a *txtar.Archive, name, data string) {
	for i, f := range a.Files {
		if f.Name == name {
			a.Files[i].Data = []byte(data)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(data)})
}
