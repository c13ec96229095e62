package waits

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/event"
)

func TestAWaitIsNamedEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var said []string
		w := New(func(unit string, e event.Waiting) {
			said = append(said, fmt.Sprintf("%v %s %s (%s) since %v, %d", time.Since(begun), unit, e.What, e.Err, e.Since, e.Said))
		})
		report := w.Of("envoy")
		report(event.Waiting{What: "a listener"})
		time.Sleep(6 * time.Second)
		report(event.Waiting{What: "a listener", Err: "refused"}) // the same wait
		time.Sleep(5 * time.Second)
		report(event.Waiting{What: "a cluster"})
		time.Sleep(5 * time.Second)
		report(event.WaitOver{})
		time.Sleep(time.Minute)
		report(event.Waiting{What: "a listener"}) // another one
		time.Sleep(5*time.Second + 1)
		w.Close()
		time.Sleep(time.Minute)
		want := []string{"5s envoy a listener () since 5s, 1", "10s envoy a listener (refused) since 10s, 2", "15s envoy a cluster () since 4s, 3",
			"1m21s envoy a listener () since 5s, 1"}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Error(diff)
		}
	})
}
