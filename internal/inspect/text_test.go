package inspect

import (
	"slices"
	"testing"
	"time"

	"meshtask/internal/state"
)

// One line names one wait: always the longest, and not another one at each look.
func TestTheLongestWaitIsNamed(t *testing.T) {
	at := time.Unix(1000, 0)
	waits := map[string]state.Wait{"envoy": {Since: at.Add(time.Second)}, "token": {Since: at}, "app": {Since: at.Add(time.Second)}, "inbound": {Since: at.Add(time.Minute)}}
	want := []string{"token", "app", "envoy", "inbound"}
	for range 20 {
		if got := inOrder(waits); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}
