package acl

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"
)

// limiter is a rate that all calls of one AWS quota share. A reply that says
// "throttled" halves it; each call that passes brings some of it back.
type limiter struct {
	*rate.Limiter
	full rate.Limit // as configured
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{rate.NewLimiter(rate.Limit(perSecond), burst), rate.Limit(perSecond)}
}

// wait takes one call from the rate, when there is one.
func (l *limiter) wait(ctx context.Context) error {
	if err := l.Wait(ctx); err != nil {
		return err
	}
	if now := l.Limit(); now < l.full {
		l.SetLimit(min(l.full, now*1.02))
	}
	return nil
}

// slow answers a throttled call: the burst that is left is spent as well.
func (l *limiter) slow() {
	l.SetLimit(max(l.Limit()/2, min(1, l.full)))
	l.AllowN(time.Now(), max(0, int(l.Tokens())))
}

// newBackOff spaces tries that fail: from a quarter of a second, doubling, to 15 s,
// each by up to a third more or less, so that many controllers do not knock at once.
func newBackOff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: 250 * time.Millisecond, Multiplier: 2, MaxInterval: 15 * time.Second, RandomizationFactor: 1. / 3}
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
