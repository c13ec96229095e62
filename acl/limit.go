package acl

import (
	"context"
	"sync"
	"time"
)

// limiter is a token bucket that all calls of one AWS quota share. A reply that
// says "throttled" halves its rate; each call that passes brings some of it back.
type limiter struct {
	mu    sync.Mutex
	full  float64 // calls per second, as configured
	rate  float64 // now
	burst float64
	left  float64
	at    time.Time
}

func newLimiter(rate float64, burst int) *limiter {
	return &limiter{full: rate, rate: rate, burst: float64(burst), left: float64(burst), at: time.Now()}
}

// wait takes one call from the bucket, when there is one.
func (l *limiter) wait(ctx context.Context) error {
	d := l.take()
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take reserves a call and says how long it has to wait.
func (l *limiter) take() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.left = min(l.burst, l.left+now.Sub(l.at).Seconds()*l.rate)
	l.at = now
	l.left--
	l.rate = min(l.full, l.rate*1.02)
	if l.left >= 0 {
		return 0
	}
	return time.Duration(-l.left / l.rate * float64(time.Second))
}

// slow answers a throttled call.
func (l *limiter) slow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = max(l.rate/2, min(1, l.full))
	l.left = min(l.left, 0)
}

// backoff is how long to wait after the nth failure in a row, from 0: it
// doubles from a quarter second to 15 s.
func backoff(n int) time.Duration {
	return min(250*time.Millisecond<<min(n, 10), 15*time.Second)
}

// pause waits for d, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
