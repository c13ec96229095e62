package iam

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/internal/event"
)

// The last attempt is at the end of the wait, not the last pause before it; one
// that hangs there gets its second.
func TestUntilLooksAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		wait, good time.Duration // good: from when on an attempt succeeds
		hang, from time.Duration // of each attempt, from when on
		took       time.Duration
		fails      string
	}{
		"good from the start":        {wait: time.Second, took: 0},
		"good in the last moment":    {wait: time.Second, good: 999 * time.Millisecond, took: time.Second},
		"good at the end, long wait": {wait: 2 * time.Minute, good: 2 * time.Minute, took: 2 * time.Minute},
		"never good":                 {wait: time.Second, good: time.Hour, took: time.Second, fails: "not yet (tried for 1s)"},
		"hangs at the end":           {wait: 5 * time.Second, good: time.Hour, hang: 30 * time.Second, took: 5 * time.Second, fails: "deadline"},
		"no, then it hangs":          {wait: 5 * time.Second, good: time.Hour, hang: 30 * time.Second, from: time.Second, took: 5 * time.Second, fails: "not yet (tried for 5s)"},
		"a wait shorter than a call": {wait: time.Millisecond, good: time.Hour, hang: 30 * time.Second, took: time.Second, fails: "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				client := &Client{cfg: Config{Report: event.None}}
				err := client.until(t.Context(), began.Add(c.wait), "login", firstPause, func(ctx context.Context) (string, error) {
					hang := c.hang
					if time.Since(began) < c.from {
						hang = 0
					}
					select {
					case <-time.After(hang):
					case <-ctx.Done():
						return "", ctx.Err()
					}
					if time.Since(began) < c.good {
						return "", errors.New("not yet")
					}
					return "", nil
				})
				if took := time.Since(began); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
				if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v, want %q", err, c.fails)
				}
			})
		})
	}
}

// The end of ctx ends a pause at once, with its cause.
func TestUntilStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("TERM")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(cause) })
		began := time.Now()
		client := &Client{cfg: Config{Report: event.None}}
		err := client.until(ctx, began.Add(time.Hour), "login", firstPause, func(context.Context) (string, error) { return "", errors.New("no") })
		if took := time.Since(began); !errors.Is(err, cause) || took != 1500*time.Millisecond {
			t.Errorf("after %s: %v", took, err)
		}
	})
}
