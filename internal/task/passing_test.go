package task

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
)

// A registration that stands is read again after a late answer, and not after a refusal.
func TestWhatIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for name, c := range map[string]struct {
			err   error
			again bool
		}{
			"late":    {context.DeadlineExceeded, true},
			"failing": {api.StatusError{Code: http.StatusInternalServerError, Body: "No cluster leader"}, true},
			"refused": {api.StatusError{Code: http.StatusForbidden, Body: "Permission denied"}, false},
		} {
			began := time.Now()
			if got := passing(ctx, c.err, time.Second); got != c.again || c.again && time.Since(began) != time.Second {
				t.Errorf("%s: %v after %v", name, got, time.Since(began))
			}
		}
		<-ctx.Done()
		if passing(ctx, errors.New("late"), time.Hour) {
			t.Error("it goes on behind the end")
		}
	})
}
