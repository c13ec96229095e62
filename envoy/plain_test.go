package envoy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/testbed/eventually"
)

// An Envoy that refuses the document for its token filter is started once more without it; one
// that dies of something else, or dies again, is not.
func TestWithoutFilter(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string // what Envoy plays before and after Plain
		written       int
		up            bool
	}{
		"has the filter":     {plain, "", 0, true},
		"lacks the filter":   {"dies=credential_injector", plain, 1, true},
		"dies again":         {"dies=credential_injector", "dies=credential_injector", 1, false},
		"dies of other JSON": {"dies=unreadable", plain, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, c.first, nil)
			written := 0
			w := &WithoutFilter{Proxy: l.proxy, Log: hclog.NewNullLogger(), Plain: func(context.Context) error {
				written++
				l.proxy.c.Env[0] = "FAKE=" + c.second
				return nil
			}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ready, done := make(chan struct{}), make(chan struct{})
			var err error
			go func() { defer close(done); err = w.Run(ctx, func() { close(ready) }, make(chan struct{})) }()
			if c.up {
				eventually.Get(t, "ready", ready)
				cancel()
			}
			eventually.Get(t, "end", done)
			if written != c.written || (err == nil) != c.up {
				t.Errorf("written %d times, error %v", written, err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, line := range l.lines {
				if strings.Contains(line, tokenFilter) && !strings.Contains(line, " debug ") {
					t.Errorf("it is passed on as trouble: %s", line)
				}
			}
		})
	}
}

// What Plain cannot write ends the unit.
func TestWithoutFilterNotWritten(t *testing.T) {
	l := newLife(t, "dies=credential_injector", nil)
	full := errors.New("disk full")
	w := &WithoutFilter{Proxy: l.proxy, Log: hclog.NewNullLogger(), Plain: func(context.Context) error { return full }}
	if err := w.Run(t.Context(), func() {}, make(chan struct{})); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}
