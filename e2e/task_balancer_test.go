package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A load balancer that goes on sending for 10 s after TERM, on new connections and on those that
// it has, gets an answer to every request: shutdown.drain.min keeps the app and the way to it.
func TestABalancerThatSendsOn(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "balanced-1", "balanced", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "60s", "drain": map[string]any{"min": "12s"}}
	})
	m.up(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	type sent struct {
		requests int
		failed   error
	}
	senders := make(chan sent, 2)
	for _, keep := range []bool{true, false} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: !keep}}
		go func() {
			s, each := sent{}, time.NewTicker(20*time.Millisecond)
			defer each.Stop()
			for ctx.Err() == nil && s.failed == nil {
				if _, err := harness.Ask(context.WithoutCancel(ctx), client, 1<<10, http.MethodGet, "http://"+m.address+":8080/", nil); err != nil {
					s.failed = fmt.Errorf("request %d, connections kept: %v: %w", s.requests, keep, err)
				}
				s.requests++
				<-each.C
			}
			senders <- s
		}()
	}
	m.term(t)
	<-time.After(10 * time.Second) // ELB says no sooner that it sends no more
	stop()
	for range 2 {
		if s := <-senders; s.failed != nil || s.requests == 0 {
			t.Errorf("%d requests, %v\n%s", s.requests, s.failed, m.Tail(20))
		}
	}
	m.ended(t, 0)
}
