package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/internal/event"
)

// store answers by the time since the test began.
type store struct {
	mu    sync.Mutex
	calls map[Ref]int
	began time.Time
	get   func(ctx context.Context, ref Ref, since time.Duration) (String, error)
}

func newStore(get func(ctx context.Context, ref Ref, since time.Duration) (String, error)) *store {
	return &store{calls: map[Ref]int{}, began: time.Now(), get: get}
}

func (s *store) Get(ctx context.Context, ref Ref) (String, error) {
	s.mu.Lock()
	s.calls[ref]++
	s.mu.Unlock()
	return s.get(ctx, ref, time.Since(s.began))
}

func ref(t *testing.T, s string) Ref {
	t.Helper()
	r, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var (
	errOutage = errors.New("connection refused")
	denied    = &Refused{Code: event.SecretDenied, Reason: "AccessDeniedException: no", Action: "secretsmanager:GetSecretValue"}
)

func TestAllTimes(t *testing.T) {
	const wait = 2 * time.Minute
	type answer func(since time.Duration) (String, error)
	until := func(limit time.Duration, early error, then String) answer {
		return func(since time.Duration) (String, error) {
			if since < limit {
				return "", early
			}
			return then, nil
		}
	}
	content := func(limit time.Duration, early String, then String) answer {
		return func(since time.Duration) (String, error) {
			if since < limit {
				return early, nil
			}
			return then, nil
		}
	}
	const filled = `{"accessor_id":"a","token":"t0k"}`
	for name, c := range map[string]struct {
		get         answer
		want        String
		wrong       []string // in the error
		least, most time.Duration
	}{
		"at once":            {until(0, nil, filled), "t0k", nil, 0, 0},
		"empty object":       {content(40*time.Second, "{}", filled), "t0k", nil, 40 * time.Second, 41 * time.Second},
		"empty text":         {content(40*time.Second, " \n", filled), "t0k", nil, 40 * time.Second, 41 * time.Second},
		"key missing":        {content(9*time.Second, `{"a":1}`, filled), "t0k", nil, 9 * time.Second, 10 * time.Second},
		"key empty":          {content(9*time.Second, `{"token":""}`, filled), "t0k", nil, 9 * time.Second, 10 * time.Second},
		"key null":           {content(9*time.Second, `{"token":null}`, filled), "t0k", nil, 9 * time.Second, 10 * time.Second},
		"not JSON":           {content(9*time.Second, "later", filled), "t0k", nil, 9 * time.Second, 10 * time.Second},
		"no version":         {until(time.Minute, ErrNotYet, filled), "t0k", nil, time.Minute, 61 * time.Second},
		"number":             {until(0, nil, `{"token":12}`), "12", nil, 0, 0},
		"never filled":       {content(time.Hour, "{}", ""), "", []string{sm + ":token", "it is empty", "after"}, wait, wait},
		"filled at the end":  {content(wait, "{}", filled), "t0k", nil, wait, wait},
		"outage":             {until(30*time.Second, errOutage, filled), "t0k", nil, 30 * time.Second, 35 * time.Second},
		"outage without end": {until(time.Hour, errOutage, ""), "", []string{sm + ":token", "connection refused"}, wait, wait},
		"denied a moment":    {until(2*time.Second, denied, filled), "t0k", nil, 2 * time.Second, 3 * time.Second},
		"denied twice, a moment each": {func(since time.Duration) (String, error) {
			switch {
			case since < 2*time.Second, since > 20*time.Second && since < 22*time.Second:
				return "", denied
			case since < 22*time.Second:
				return "{}", nil
			}
			return filled, nil
		}, "t0k", nil, 22 * time.Second, 24 * time.Second},
		"denied": {until(time.Hour, denied, ""), "", []string{sm + ":token", "AccessDenied", "secretsmanager:GetSecretValue"}, Stubborn, Stubborn},
		"denied after a long wait": {func(since time.Duration) (String, error) {
			if since < 20*time.Second {
				return "{}", nil
			}
			return "", denied
		}, "", []string{"AccessDenied"}, 21 * time.Second, 21*time.Second + Stubborn},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := ref(t, sm+":token::")
				s := newStore(func(_ context.Context, _ Ref, since time.Duration) (String, error) { return c.get(since) })
				got, err := All(t.Context(), Config{Store: s, Wait: wait}, r)
				took := time.Since(s.began)
				if took < c.least || took > c.most {
					t.Errorf("took %s, want %s to %s", took, c.least, c.most)
				}
				if len(c.wrong) == 0 && (err != nil || got[r] != c.want) {
					t.Errorf("got %q, %v", got[r].Reveal(), err)
				}
				if len(c.wrong) > 0 && (err == nil || got != nil) {
					t.Errorf("got %v, want an error", got)
				}
				for _, text := range c.wrong {
					if err != nil && !strings.Contains(err.Error(), text) {
						t.Errorf("error %q: want %q in it", err, text)
					}
				}
			})
		})
	}
}

// A wait shorter than the pauses is waited for all the same, with a last look at its end;
// a refusal does not use up a long one, nor outlast a short one.
func TestShortWaits(t *testing.T) {
	for name, c := range map[string]struct {
		wait, good time.Duration
		early      error
		took       time.Duration
	}{
		"filled within":          {time.Second, 900 * time.Millisecond, ErrNotYet, time.Second},
		"filled at the end":      {1500 * time.Millisecond, 1500 * time.Millisecond, ErrNotYet, 1500 * time.Millisecond},
		"never filled":           {time.Second, time.Hour, ErrNotYet, time.Second},
		"outage until the end":   {300 * time.Millisecond, 300 * time.Millisecond, errOutage, 300 * time.Millisecond},
		"allowed at the end":     {time.Hour, Stubborn, denied, Stubborn},
		"refused longer":         {time.Hour, time.Hour, denied, Stubborn},
		"refused, short wait":    {time.Second, time.Hour, denied, time.Second},
		"a store that hangs":     {time.Second, time.Hour, nil, time.Second},
		"a store that hangs, 0s": {0, time.Hour, nil, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(func(ctx context.Context, _ Ref, since time.Duration) (String, error) {
					switch {
					case since >= c.good:
						return "v", nil
					case c.early == nil:
						<-ctx.Done()
						return "", ctx.Err()
					}
					return "", c.early
				})
				_, err := All(t.Context(), Config{Store: s, Wait: c.wait}, ref(t, sm))
				if took := time.Since(s.began); took != c.took || (err == nil) != (c.good <= c.took) {
					t.Errorf("%v after %s, want %s", err, took, c.took)
				}
			})
		})
	}
}

// A secret that two references want is asked for once each time per reference,
// identical ones once; a hopeless one ends the others' wait.
func TestAllTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token, other := ref(t, sm+":token"), ref(t, sm+":accessor_id")
		s := newStore(func(context.Context, Ref, time.Duration) (String, error) {
			return `{"accessor_id":"a","token":"t"}`, nil
		})
		got, err := All(t.Context(), Config{Store: s, Wait: time.Minute}, token, other, token)
		if err != nil || len(got) != 2 || got[token] != "t" || got[other] != "a" || s.calls[token] != 1 {
			t.Errorf("got %d values, %v; %d calls", len(got), err, s.calls[token])
		}

		s = newStore(func(_ context.Context, r Ref, _ time.Duration) (String, error) {
			if r == token {
				return "", denied
			}
			return "{}", nil
		})
		_, err = All(t.Context(), Config{Store: s, Wait: time.Minute}, other, token)
		if took := time.Since(s.began); took > Stubborn || err == nil || !strings.Contains(err.Error(), ":token") || strings.Contains(err.Error(), "accessor_id") {
			t.Errorf("after %s: %v; want the refusal alone, within %s", took, err, Stubborn)
		}
	})
}

func TestAllStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("TERM")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(cause) })
		s := newStore(func(ctx context.Context, _ Ref, since time.Duration) (String, error) {
			if since > time.Second { // a call that hangs must end with ctx as well
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "{}", nil
		})
		_, err := All(ctx, Config{Store: s, Wait: time.Hour}, ref(t, sm))
		if took := time.Since(s.began); !errors.Is(err, cause) || took != 1500*time.Millisecond {
			t.Errorf("after %s: %v, want the cause at once", took, err)
		}
	})
}

// A hanging call is an outage: it is cut and asked again.
func TestCallLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(func(ctx context.Context, _ Ref, since time.Duration) (String, error) {
			if since == 0 {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "v", nil
		})
		got, err := All(t.Context(), Config{Store: s, Wait: time.Minute}, ref(t, sm))
		if took := time.Since(s.began); err != nil || got[ref(t, sm)] != "v" || took < callLimit || took > callLimit+firstPause {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// A last question that has no time does not hide what the ones before were told.
func TestTheLastQuestionIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(func(ctx context.Context, _ Ref, since time.Duration) (String, error) {
			if since < 2*time.Second {
				return "", errOutage
			}
			<-ctx.Done()
			return "", ctx.Err()
		})
		_, err := All(t.Context(), Config{Store: s, Wait: 4 * time.Second}, ref(t, sm))
		if took := time.Since(s.began); !errors.Is(err, errOutage) || errors.Is(err, context.DeadlineExceeded) || took < 4*time.Second {
			t.Errorf("after %s: %v, want %v", took, err, errOutage)
		}
	})
}

func TestWaitingTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := ref(t, sm+":token"), ref(t, par)
		s := newStore(func(_ context.Context, r Ref, since time.Duration) (String, error) {
			switch {
			case r == two && since < 5*time.Second:
				return "", errOutage
			case r == one && since < 20*time.Second:
				<-time.After(time.Millisecond) // so that the order is known
				return "{}", nil
			}
			return `{"token":"hunter2"}`, nil
		})
		var told []string
		if _, err := All(t.Context(), Config{Store: s, Wait: time.Minute, Report: func(e event.Event) {
			if w, ok := e.(event.Waiting); ok {
				told = append(told, fmt.Sprintf("%s | %s | %s | %s of %s", w.What, w.Err, w.Fix, w.Code, w.Facts["secret"]))
			} else {
				told = append(told, fmt.Sprintf("%#v", e))
			}
		}}, one, two); err != nil {
			t.Fatal(err)
		}
		all := strings.Join(told, "\n")
		for _, want := range []string{sm + ":token | it is empty: not filled yet | check that the ACL controller", "| secret-not-filled of " + sm + ":token", par + " | connection refused | check that the task has a task role", "| secret of " + par, par + ", " + sm + ":token"} {
			if !strings.Contains(all, want) {
				t.Errorf("want %q in\n%s", want, all)
			}
		}
		if len(told) < 3 || len(told) > 6 || told[len(told)-1] != "event.WaitOver{}" || strings.Contains(all, "hunter2") {
			t.Errorf("%d calls, want one a change and the end:\n%s", len(told), all)
		}
	})
}

func TestEnv(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"TOKEN": "t", "EMPTY": ""}[name]
		return v, ok
	}
	cfg := Config{Env: env, Wait: time.Hour}
	r := ref(t, "env:TOKEN")
	if got, err := All(t.Context(), cfg, r); err != nil || got[r] != "t" {
		t.Errorf("got %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for _, s := range []string{"env:EMPTY", "env:ABSENT"} {
			if _, err := All(t.Context(), cfg, ref(t, s)); err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v", s, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %s: an environment does not change, so there is nothing to wait for", took)
		}
	})
	if _, err := All(t.Context(), Config{}, r); err == nil {
		t.Error("without a lookup: want an error")
	}
	if _, err := All(t.Context(), cfg, ref(t, sm)); err == nil {
		t.Error("without a store: want an error")
	}
	if got, err := All(t.Context(), cfg); err != nil || len(got) != 0 {
		t.Errorf("nothing to resolve: %v, %v", got, err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(path, []byte("a\nb\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := ref(t, "file:"+path)
	if got, err := All(t.Context(), Config{Wait: time.Minute}, r); err != nil || got[r] != "a\nb" {
		t.Errorf("got %q, %v", got[r].Reveal(), err)
	}
	synctest.Test(t, func(t *testing.T) {
		late := filepath.Join(dir, "late")
		began := time.Now()
		time.AfterFunc(time.Second, func() { _ = os.WriteFile(late, nil, 0o600) })        // mounted
		time.AfterFunc(30*time.Second, func() { _ = os.WriteFile(late, []byte("x"), 0) }) // filled
		r := ref(t, "file:"+late)
		got, err := All(t.Context(), Config{Wait: time.Minute}, r)
		if took := time.Since(began); err != nil || got[r] != "x" || took > 31*time.Second {
			t.Errorf("late: got %v after %s", err, took)
		}
		began = time.Now()
		_, err = All(t.Context(), Config{Wait: time.Minute}, ref(t, "file:"+dir+"/never"))
		if took := time.Since(began); err == nil || took > Stubborn || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("missing: got %v after %s", err, took)
		}
	})
}
