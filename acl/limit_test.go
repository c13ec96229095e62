package acl

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(10, 5)
		start := time.Now()
		take := func(n int) time.Duration {
			t.Helper()
			for range n {
				if err := l.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(start)
		}
		if took := take(5); took != 0 {
			t.Errorf("the burst took %v", took)
		}
		if took := take(20); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("20 calls at 10 a second took %v", took)
		}
		l.slow()
		start = time.Now()
		if took := take(10); took < 1500*time.Millisecond {
			t.Errorf("after throttling, 10 calls took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start = time.Now()
		for l.wait(ctx) == nil {
		}
		if time.Since(start) > 10*time.Millisecond {
			t.Errorf("wait outlived its context by %v", time.Since(start)-10*time.Millisecond)
		}
	})
}

// TestThrottledLimiterComesBack: what was taken away comes back with the calls that pass.
func TestThrottledLimiterComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(10, 5)
		for range 5 {
			l.slow()
		}
		if l.Limit() != 1 {
			t.Errorf("throttled time and again, the rate is %v, want 1", l.Limit())
		}
		start := time.Now()
		if err := l.wait(t.Context()); err != nil || time.Since(start) < 900*time.Millisecond {
			t.Errorf("the burst was not spent: %v after %v", err, time.Since(start))
		}
		for range 200 {
			if err := l.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if l.Limit() != 10 {
			t.Errorf("after 200 calls the rate is %v, want 10", l.Limit())
		}
	})
}
