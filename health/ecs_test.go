package health

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a task metadata endpoint whose answer depends on the time.
type script struct {
	began time.Time
	say   func(at time.Duration) ([]Container, error)
	mu    sync.Mutex
	asked []time.Duration
}

func (s *script) Containers(ctx context.Context) ([]Container, error) {
	at := time.Since(s.began)
	s.mu.Lock()
	s.asked = append(s.asked, at)
	s.mu.Unlock()
	list, err := s.say(at)
	if errors.Is(err, errHang) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list, err
}

func (s *script) between(from, to time.Duration) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.asked {
		if from <= at && at < to {
			n++
		}
	}
	return n
}

var errHang = errors.New("no answer")

func container(name, known, health string) Container {
	return Container{Name: name, Known: known, Health: health, Checked: true}
}

// poll runs a Poller for a while and returns the changes of each container's status.
func poll(t *testing.T, s *script, during time.Duration, names ...string) map[string][]change {
	t.Helper()
	s.began = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	changes := map[string][]change{}
	NewPoller(PollerConfig{Task: s, Names: names}).Run(ctx, func(name string, state State) {
		was := changes[name]
		if len(was) == 0 || was[len(was)-1].status != state.Status {
			changes[name] = append(was, change{time.Since(s.began), state.Status})
		}
	})
	return changes
}

type change struct {
	at     time.Duration
	status Status
}

func TestPollerCadence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{say: func(at time.Duration) ([]Container, error) {
			list := []Container{{Name: "meshtask", Known: "RUNNING"}}
			if at >= 20*time.Second { // comes late
				health := ""
				if at >= 40*time.Second {
					health = "HEALTHY"
				}
				if at >= 302*time.Second {
					health = "UNHEALTHY"
				}
				list = append(list, container("api", "RUNNING", health))
			}
			return list, nil
		}}
		got := poll(t, s, 20*time.Minute, "api")
		want := []change{{0, Critical}, {40 * time.Second, Passing}, {302 * time.Second, Critical}}
		if !slices.Equal(got["api"], want) {
			t.Errorf("changes %v, want %v", got["api"], want)
		}
		for _, r := range []struct {
			from, to time.Duration
			want     int
			what     string
		}{
			{0, 40 * time.Second, 40, "while it starts"},
			{60 * time.Second, 300 * time.Second, 160, "in steady state"},
			{303 * time.Second, 311 * time.Second, 8, "after a change"},
			{600 * time.Second, 1200 * time.Second, 120, "while it stays unhealthy"},
		} {
			if n := s.between(r.from, r.to); n != r.want {
				t.Errorf("%s: %d requests in %v, want %d", r.what, n, r.to-r.from, r.want)
			}
		}
	})
}

// TestPollerKeepsLastWord: no failure of the endpoint is news about a container.
func TestPollerKeepsLastWord(t *testing.T) {
	for name, fail := range map[string]error{"refused": errors.New("connection refused"), "429": errors.New("status 429"), "hangs": errHang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{say: func(at time.Duration) ([]Container, error) {
					if at > 30*time.Second && at < 5*time.Minute {
						return nil, fail
					}
					return []Container{container("api", "RUNNING", "HEALTHY")}, nil
				}}
				got := poll(t, s, 10*time.Minute, "api")
				if !slices.Equal(got["api"], []change{{0, Passing}}) {
					t.Errorf("changes %v", got["api"])
				}
				if n := s.between(time.Minute, 5*time.Minute); n > 24 || n < 15 {
					t.Errorf("%d requests in 4 min of failures: want a back-off to 10 s", n)
				}
			})
		})
	}
}

func TestPollerUnknownContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{say: func(time.Duration) ([]Container, error) {
			return []Container{container("api", "RUNNING", "HEALTHY"), {Name: "plain", Known: "RUNNING"}}, nil
		}}
		got := poll(t, s, time.Hour, "api", "typo", "plain")
		for name, want := range map[string]Status{"api": Passing, "typo": Critical, "plain": Critical} {
			if len(got[name]) != 1 || got[name][0].status != want {
				t.Errorf("%s: %v, want %s throughout", name, got[name], want)
			}
		}
		if n := s.between(10*time.Minute, 20*time.Minute); n != 400 {
			t.Errorf("%d requests in 10 min beside a container that never comes, want 400", n)
		}
	})
}

// Whatever is no HEALTHY any more is critical within 2 s, however long it was HEALTHY;
// trouble of the endpoint is no news.
func TestPollerIsCriticalWithinTwoSeconds(t *testing.T) {
	for name, after := range map[string][]Container{
		"unhealthy": {container("api", "RUNNING", "UNHEALTHY")}, "unknown": {container("api", "RUNNING", "UNKNOWN")},
		"no status": {container("api", "RUNNING", "")}, "no health": {{Name: "api", Known: "RUNNING"}},
		"another word": {container("api", "RUNNING", "FINE")}, "gone": {container("other", "RUNNING", "HEALTHY")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const turn = 10*time.Minute + 10*time.Millisecond
				s := &script{say: func(at time.Duration) ([]Container, error) {
					if at < turn {
						return []Container{container("api", "RUNNING", "HEALTHY")}, nil
					}
					return slices.Clone(after), nil
				}}
				got := poll(t, s, 20*time.Minute, "api")["api"]
				if len(got) != 2 || got[1].status != Critical || got[1].at-turn > 2*time.Second {
					t.Errorf("changes %v, want critical within 2 s of %v", got, turn)
				}
			})
		})
	}
}
