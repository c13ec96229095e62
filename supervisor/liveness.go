package supervisor

import (
	"context"
	"fmt"
	"time"
)

// A process that stops to answer is known after two questions without an answer: within
// 3 + 3 + 2 s.
const (
	askEvery  = 3 * time.Second
	askLimit  = 2 * time.Second
	askMisses = 2
)

// Liveness tells whether what runs still answers.
type Liveness struct {
	// Since is when the periods between questions are counted from: those who have it in common
	// ask at once, as waking up costs more than the questions. Zero: the begin of the watch.
	Since time.Time
	// Ask is one cheap question. An error says that there was no answer.
	Ask func(context.Context) error
	// While is asked before each question and each report; false ends them for this life.
	While func() bool
	// Changed is told why, when two questions in a row had no answer, and nil at the next
	// answer. One call at a time; none after the end of the life.
	Changed func(err error)
}

// Watch asks, from r's ready until its stop, whether r still answers. A hang ends nothing.
// Put it inside Report and Restart.
func Watch(r Runner, l Liveness) Runner { return &watched{r, l} }

type watched struct {
	inner Runner
	l     Liveness
}

func (w *watched) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	asking, end := context.WithCancel(ctx)
	isReady, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-isReady:
			w.l.watch(asking, stop)
		case <-asking.Done():
		}
	}()
	defer func() { end(); <-done }()
	return w.inner.Run(ctx, func() { ready(); close(isReady) }, stop)
}

func (l Liveness) watch(ctx context.Context, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a question is cut by stop: a hang must not hold up the end
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	since := l.Since
	if since.IsZero() {
		since = time.Now()
	}
	until := func() time.Duration { return askEvery - time.Since(since)%askEvery }
	next := time.NewTimer(until())
	defer next.Stop()
	for misses := 0; ; {
		select {
		case <-next.C:
			next.Reset(until())
		case <-ctx.Done():
			return
		}
		if !l.While() {
			return
		}
		err := l.ask(ctx)
		if ctx.Err() != nil || stopping(ctx, stop) || !l.While() {
			return
		}
		hung := misses >= askMisses
		switch {
		case err == nil && hung:
			l.Changed(nil)
		case err != nil && misses == askMisses-1:
			l.Changed(fmt.Errorf("no answer to %d questions, the last time: %w", askMisses, err))
		}
		if misses++; err == nil {
			misses = 0
		}
	}
}

func (l Liveness) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return l.Ask(ctx)
}
