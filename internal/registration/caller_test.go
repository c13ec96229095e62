package registration

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
)

// The last look is at the end of a wait, however short, and not the last pause before it.
func TestRetryLooksAtTheEnd(t *testing.T) {
	unknown := Answered("it", api.StatusError{Code: http.StatusForbidden, Body: "ACL not found"})
	for name, c := range map[string]struct {
		wait, good, took time.Duration
		err              error
		fails            string
	}{
		"good at once":             {wait: time.Second},
		"good in the last moment":  {wait: time.Second, good: 990 * time.Millisecond, took: time.Second, err: unknown},
		"good at the end":          {wait: 90 * time.Second, good: 90 * time.Second, took: 90 * time.Second, err: unknown},
		"never known":              {wait: time.Second, good: time.Hour, took: time.Second, err: unknown, fails: "not known to Consul (yet)"},
		"never reached, long wait": {wait: 3 * time.Minute, good: time.Hour, took: 3 * time.Minute, err: errors.New("refused"), fails: "refused, after 3m0s"},
		"denied":                   {wait: time.Hour, good: time.Hour, err: Answered("it", api.StatusError{Code: http.StatusForbidden, Body: "Permission denied"}), fails: "service:write"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				caller := NewCaller(CallerConfig{})
				err := caller.Retry(t.Context(), Deadlines{began.Add(c.wait), began.Add(c.wait)}, "the ACL token", func() error {
					if time.Since(began) < c.good {
						return c.err
					}
					return nil
				})
				if took := time.Since(began); took != c.took || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v after %s, want %q after %s", err, took, c.fails, c.took)
				}
			})
		})
	}
}
