package retry

import (
	"testing"
	"time"
)

// within draws often, and wants all of the range from lo to hi used, and nothing else.
func within(t *testing.T, what string, lo, hi time.Duration, draw func() time.Duration) {
	t.Helper()
	shortest, longest := draw(), time.Duration(0)
	for range 2000 {
		d := draw()
		shortest, longest = min(shortest, d), max(longest, d)
	}
	if shortest < lo || longest > hi {
		t.Errorf("%s: %v to %v, want %v to %v", what, shortest, longest, lo, hi)
	}
	// A quarter of the range stays free at one end by chance once in 10^249 runs.
	if margin := (hi - lo) / 4; shortest > lo+margin || longest < hi-margin {
		t.Errorf("%s: only %v to %v is used of %v to %v", what, shortest, longest, lo, hi)
	}
}

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	for try, step := range []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms} {
		within(t, step.String(), step*4/5, step, func() time.Duration {
			b := Backoff{First: 100 * ms, Max: 1000 * ms}
			for range try {
				b.Next()
			}
			return b.Next()
		})
	}
}

func TestReset(t *testing.T) {
	b := Backoff{First: time.Second, Max: time.Minute}
	within(t, "after a reset", 800*time.Millisecond, time.Second, func() time.Duration {
		b.Next()
		b.Next()
		b.Reset()
		return b.Next()
	})
}

// However often it is asked, a pause stays at Max and does not overflow.
func TestMaxHolds(t *testing.T) {
	b := Backoff{First: time.Nanosecond, Max: 1<<62 - 1}
	for range 200 {
		b.Next()
	}
	if d := b.Next(); d < b.Max/5*4 || d > b.Max {
		t.Errorf("got %v, want %v less a fifth at most", d, b.Max)
	}
}

func TestSpread(t *testing.T) {
	within(t, "spread", 54*time.Second, 66*time.Second, func() time.Duration { return Spread(time.Minute) })
}
