package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mute is a unit that is ready at once and ends when it is asked to, or dies.
type mute struct {
	die  chan struct{}
	hang atomic.Bool // it takes questions and does not answer
	asks atomic.Int32
}

func (m *mute) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	ready()
	select {
	case <-stop:
		return nil
	case <-ctx.Done():
		return nil
	case <-m.die:
		return errors.New("died")
	}
}

func (m *mute) ask(ctx context.Context) error {
	m.asks.Add(1)
	if !m.hang.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Those who have begun at different times ask at the same ones.
func TestWatchAsksTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		asked := make([][]time.Duration, 2)
		stop := make(chan struct{})
		var group sync.WaitGroup
		for i := range asked {
			time.Sleep(1300 * time.Millisecond)
			w := Watch(&mute{}, Liveness{Since: began, While: func() bool { return true }, Changed: func(error) {},
				Ask: func(context.Context) error { asked[i] = append(asked[i], time.Since(began)); return nil }})
			group.Go(func() { _ = w.Run(t.Context(), func() {}, stop) })
		}
		time.Sleep(7 * time.Second)
		close(stop)
		group.Wait()
		want := []time.Duration{3 * time.Second, 6 * time.Second, 9 * time.Second}
		if !slices.Equal(asked[0], want) || !slices.Equal(asked[1], want) {
			t.Errorf("asked at %v and %v, want %v", asked[0], asked[1], want)
		}
	})
}

// TestWatch plays a life in fake time and records what is told of it.
func TestWatch(t *testing.T) {
	const bad, good = "hangs", "answers"
	type act struct {
		at time.Duration
		do func(*mute, chan struct{}, *atomic.Bool)
	}
	hang := func(m *mute, _ chan struct{}, _ *atomic.Bool) { m.hang.Store(true) }
	answer := func(m *mute, _ chan struct{}, _ *atomic.Bool) { m.hang.Store(false) }
	stop := func(_ *mute, stop chan struct{}, _ *atomic.Bool) { close(stop) }
	down := func(_ *mute, _ chan struct{}, over *atomic.Bool) { over.Store(true) }
	die := func(m *mute, _ chan struct{}, _ *atomic.Bool) { close(m.die) }
	for name, c := range map[string]struct {
		acts []act
		want []string
	}{
		"it answers":                          {nil, nil},
		"it hangs at once":                    {[]act{{0, hang}}, []string{"8s hangs"}},
		"just after an answer":                {[]act{{3*time.Second + 1, hang}}, []string{"11s hangs"}}, // 8 s later
		"and answers again":                   {[]act{{0, hang}, {20 * time.Second, answer}}, []string{"8s hangs", "21s answers"}},
		"one miss is none":                    {[]act{{0, hang}, {5 * time.Second, answer}}, nil},
		"it hangs twice":                      {[]act{{0, hang}, {10 * time.Second, answer}, {13 * time.Second, hang}}, []string{"8s hangs", "12s answers", "20s hangs"}},
		"it is asked to stop":                 {[]act{{0, hang}, {7 * time.Second, stop}}, nil},
		"nothing is said in a shutdown":       {[]act{{0, hang}, {7 * time.Second, down}}, nil},
		"nor that it answers":                 {[]act{{0, hang}, {9 * time.Second, down}, {10 * time.Second, answer}}, []string{"8s hangs"}},
		"it dies while it hangs":              {[]act{{0, hang}, {10 * time.Second, die}}, []string{"8s hangs"}},
		"it dies while a question is pending": {[]act{{0, hang}, {7 * time.Second, die}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, halt, begun := &mute{die: make(chan struct{})}, make(chan struct{}), time.Now()
				var over atomic.Bool
				var got []string
				w := Watch(m, Liveness{Ask: m.ask, While: func() bool { return !over.Load() }, Changed: func(err error) {
					word := good
					if err != nil {
						word = bad
					}
					got = append(got, fmt.Sprint(time.Since(begun), " ", word))
				}})
				ended := make(chan error, 1)
				go func() { ended <- w.Run(t.Context(), func() {}, halt) }()
				for _, a := range c.acts {
					time.Sleep(a.at - time.Since(begun))
					a.do(m, halt, &over)
				}
				time.Sleep(time.Minute - time.Since(begun))
				asked := m.asks.Load()
				select {
				case <-ended:
				default:
					close(halt)
					<-ended
				}
				if quiet := over.Load() || slices.ContainsFunc(c.acts, func(a act) bool { return a.at == 7*time.Second }); quiet && asked > 4 {
					t.Errorf("it was asked %d times, on after the end", asked)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
