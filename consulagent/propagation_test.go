package consulagent

import (
	"testing"
	"time"
)

func TestPropagation(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		planned time.Duration
		removed bool
		joined  time.Duration
		want    time.Duration
	}{
		"removed":                        {s, true, time.Hour, s},
		"only critical":                  {s, false, time.Hour, 1300 * time.Millisecond},
		"only critical, a longer plan":   {2 * s, false, time.Hour, 2 * s},
		"removed, but may be back":       {s, true, FirstSync - 1, 1300 * time.Millisecond},
		"removed, and nothing comes now": {s, true, FirstSync, s},
		"a given 0":                      {0, false, 0, 0},
	} {
		if got := Propagation(c.planned, c.removed, c.joined); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
