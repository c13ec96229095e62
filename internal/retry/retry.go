// Package retry spaces the tries of something that fails, so that the tasks of a
// service, which start together and fail together, do not ask in step.
package retry

import (
	"math/rand/v2"
	"time"
)

// Backoff is a row of pauses that doubles from First to Max, each shortened at random by up
// to a fifth: none is longer than Max. Set First above zero, and Max to First at least. It
// is not safe for concurrent use.
type Backoff struct {
	First, Max time.Duration

	step time.Duration // of the pause before; zero: there was none
}

// Next is the pause before the next try.
func (b *Backoff) Next() time.Duration {
	if b.step == 0 {
		b.step = b.First
	} else {
		b.step = min(2*b.step, b.Max)
	}
	return between(b.step-b.step/5, b.step)
}

// Reset begins again with First: something has succeeded.
func (b *Backoff) Reset() { b.step = 0 }

// Spread is d, longer or shorter by up to a tenth: for what is repeated while all is well.
func Spread(d time.Duration) time.Duration { return between(d-d/10, d+d/10) }

func between(lo, hi time.Duration) time.Duration { return lo + rand.N(hi-lo+1) }
