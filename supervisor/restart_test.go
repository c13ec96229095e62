package supervisor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/internal/event"
)

// play is a Runner whose lives are given.
type play func(life int, ctx context.Context, ready func(), stop <-chan struct{}) error

type actor struct {
	play  play
	lives int
}

func (p *actor) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	p.lives++
	return p.play(p.lives, ctx, ready, stop)
}

// lasting lives for d, unless it is asked to end, and ends with err.
func lasting(d time.Duration, err error) play {
	return func(_ int, ctx context.Context, ready func(), stop <-chan struct{}) error {
		ready()
		select {
		case <-time.After(d):
			return err
		case <-stop:
		case <-ctx.Done():
		}
		return nil
	}
}

var errCrash = &Exit{Name: "app", PID: 9, Code: 3}

func TestRestart(t *testing.T) {
	policy := Policy{Mode: Always, Max: 5, Window: time.Minute, Backoff: 100 * time.Millisecond, MaxBackoff: time.Second}
	for _, tt := range []struct {
		name   string
		policy func(*Policy)
		play   play
		stopAt time.Duration // 0: never
		killAt time.Duration
		starts []string // since the beginning
		err    string
		after  time.Duration
	}{
		{
			"doubling up to the most, then the budget is spent", nil, lasting(0, errCrash), 0, 0,
			[]string{"0s", "100ms", "300ms", "700ms", "1.5s", "2.5s"},
			"app: restart budget spent (5 within 1m0s): app (pid 9) exited with 3", 2500 * time.Millisecond,
		},
		{
			"no budget", func(p *Policy) { p.Max = 0 }, lasting(0, errCrash), 0, 0,
			[]string{"0s"}, "app: restart budget spent (0 within 1m0s): app (pid 9) exited with 3", 0,
		},
		{
			"the window slides", func(p *Policy) { p.Max, p.Window = 2, 10*time.Second }, lasting(6*time.Second, errCrash), 30 * time.Second, 0,
			[]string{"0s", "6.1s", "12.3s", "18.5s", "24.7s"}, "", 30 * time.Second,
		},
		{
			"a long life forgives", func(p *Policy) { p.Max = 1 }, lasting(2*time.Minute, errCrash), 5 * time.Minute, 0,
			[]string{"0s", "2m0.1s", "4m0.2s"}, "", 5 * time.Minute,
		},
		{
			"always, also after a good end", func(p *Policy) { p.Max = 1 }, lasting(0, nil), 0, 0,
			[]string{"0s", "100ms"}, "app: restart budget spent (1 within 1m0s): it ended", 100 * time.Millisecond,
		},
		{"on failure, after exit 0", func(p *Policy) { p.Mode = OnFailure }, lasting(0, &Exit{Name: "app"}), 0, 0, []string{"0s"}, "app (pid 0) exited with 0", 0},
		{"on failure, after nil", func(p *Policy) { p.Mode = OnFailure }, lasting(0, nil), 0, 0, []string{"0s"}, "", 0},
		{
			"on failure, after one", func(p *Policy) { p.Mode, p.Max = OnFailure, 1 }, lasting(0, errors.New("no bootstrap")), 0, 0,
			[]string{"0s", "100ms"}, "app: restart budget spent (1 within 1m0s): no bootstrap", 100 * time.Millisecond,
		},
		{"never", func(p *Policy) { p.Mode = Never }, lasting(0, errCrash), 0, 0, []string{"0s"}, "app (pid 9) exited with 3", 0},
		{"by default", func(p *Policy) { *p = Policy{} }, lasting(0, errCrash), 0, 0, []string{"0s"}, "app (pid 9) exited with 3", 0},
		{"stop while it runs", nil, lasting(time.Hour, errCrash), time.Second, 0, []string{"0s"}, "", time.Second},
		{"kill while it runs", nil, lasting(time.Hour, errCrash), 0, time.Second, []string{"0s"}, "", time.Second},
		{"stop during the back-off", nil, lasting(0, errCrash), 150 * time.Millisecond, 0, []string{"0s", "100ms"}, "app (pid 9) exited with 3", 150 * time.Millisecond},
		{"kill during the back-off", nil, lasting(0, errCrash), 0, 150 * time.Millisecond, []string{"0s", "100ms"}, "app (pid 9) exited with 3", 150 * time.Millisecond},
		{
			"an end that meets the stop", nil, func(_ int, _ context.Context, _ func(), stop <-chan struct{}) error { <-stop; return errCrash },
			time.Second, 0, []string{"0s"}, "app (pid 9) exited with 3", time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy
				if tt.policy != nil {
					tt.policy(&p)
				}
				begun := time.Now()
				var starts, notes []string
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stop := make(chan struct{})
				if tt.stopAt > 0 {
					time.AfterFunc(tt.stopAt, func() { close(stop) })
				}
				if tt.killAt > 0 {
					time.AfterFunc(tt.killAt, cancel)
				}
				inner := &actor{play: func(life int, ctx context.Context, ready func(), stop <-chan struct{}) error {
					starts = append(starts, time.Since(begun).String())
					return tt.play(life, ctx, ready, stop)
				}}
				readies := 0
				unit := Restart("app", inner, p, func(e event.Event) { notes = append(notes, say(e)) })
				err := unit.Run(ctx, func() { readies++ }, stop)
				if got := fmt.Sprint(err); got != tt.err && !(err == nil && tt.err == "") {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				if after := time.Since(begun); after != tt.after {
					t.Errorf("it ended after %v, want %v", after, tt.after)
				}
				if !slices.Equal(starts, tt.starts) {
					t.Errorf("starts at %v, want %v", starts, tt.starts)
				}
				if readies > 1 {
					t.Errorf("ready %d times", readies)
				}
				restarts := len(starts) - 1
				if tt.err == errCrash.Error() && (tt.stopAt == 150*time.Millisecond || tt.killAt == 150*time.Millisecond) {
					restarts++ // announced, and then not done
				}
				if len(notes) != restarts || restarts > 0 && !strings.HasPrefix(notes[0], "restart ") {
					t.Errorf("notes: %q", notes)
				}
			})
		})
	}
}

func TestRestartsSpentTellsTheLastEnd(t *testing.T) {
	err := Restart("app", &actor{play: lasting(0, errCrash)}, Policy{Mode: Always, Window: time.Second}, nil).Run(t.Context(), func() {}, nil)
	spent, ok := errors.AsType[*RestartsSpent](err)
	exit, isExit := errors.AsType[*Exit](err)
	if !ok || spent.Name != "app" || !isExit || exit.Status() != 3 {
		t.Errorf("got %#v", err)
	}
}

func TestReport(t *testing.T) {
	var told []string
	tell := func(word string) func() { return func() { told = append(told, word) } }
	lives := &actor{play: func(life int, _ context.Context, ready func(), _ <-chan struct{}) error {
		if life != 2 { // the second life never becomes ready
			ready()
			ready()
		}
		tell(fmt.Sprint("end ", life))()
		return errCrash
	}}
	unit := Restart("app", Report(lives, tell("up"), tell("down")), Policy{Mode: Always, Max: 2, Window: time.Minute}, nil)
	if err := unit.Run(t.Context(), tell("ready"), nil); err == nil {
		t.Error("there is no error")
	}
	want := []string{"up", "ready", "end 1", "down", "end 2", "up", "end 3", "down"}
	if !slices.Equal(told, want) {
		t.Errorf("got %v, want %v", told, want)
	}
}

// TestNothingGrows restarts a real process a thousand times.
func TestNothingGrows(t *testing.T) {
	s := start(t)
	rounds := 1000
	lives := 0
	atHundred := [2]int{}
	p := &Process{
		Sup:   s,
		Ready: FD(3),
		Spec: func() (Spec, error) {
			if lives++; lives == 100 {
				atHundred = [2]int{openFiles(t), runtime.NumGoroutine()}
			}
			spec := shell("echo >&3; echo x; sleep 60 & exit 1")
			spec.Lines = func(int, []byte) {}
			return spec, nil
		},
	}
	unit := Restart("app", p, Policy{Mode: Always, Max: rounds, Window: time.Hour}, nil)
	if _, ok := errors.AsType[*RestartsSpent](unit.Run(t.Context(), func() {}, nil)); !ok || lives != rounds+1 {
		t.Fatalf("%d lives", lives)
	}
	if files, routines := openFiles(t), runtime.NumGoroutine(); files > atHundred[0] || routines > atHundred[1] {
		t.Errorf("descriptors %d -> %d, goroutines %d -> %d", atHundred[0], files, atHundred[1], routines)
	}
	if pids := children(); len(pids) != 0 {
		t.Errorf("children are left: %v", pids)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.own) != 0 {
		t.Errorf("%d are still registered", len(s.own))
	}
}

// A budget that was spent before any life was ready is another thing to a caller.
func TestASpentBudgetTellsWhetherItWasEverReady(t *testing.T) {
	for _, want := range []bool{false, true} {
		lives := 0
		r := Restart("app", &actor{play: func(_ int, _ context.Context, ready func(), _ <-chan struct{}) error {
			if lives++; want && lives == 1 { // a life that is not the last one
				ready()
			}
			return errCrash
		}}, Policy{Mode: Always, Max: 2, Window: time.Minute}, nil)
		spent, ok := errors.AsType[*RestartsSpent](r.Run(t.Context(), func() {}, nil))
		if !ok || spent.Ready != want || lives != 3 {
			t.Errorf("ready %v: %+v after %d lives", want, spent, lives)
		}
	}
}
