package secret

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/retry"
)

const (
	// Stubborn is how long a secret that does not exist or is denied is tried: a
	// role or a mount that was made a moment ago may need it.
	Stubborn = 3 * time.Second

	callLimit  = 5 * time.Second // of one question, the task's credentials included
	lastCall   = time.Second     // what the last question, at the end of a wait, has at least
	look       = time.Second     // between two looks at a secret that is not filled yet
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// ErrNotYet says that a secret exists without a value, or without the key. It
// is waited for.
var ErrNotYet = errors.New("not filled yet")

// ErrNoCredentials says that there is nothing to ask AWS with. It is waited for as an outage is.
var ErrNoCredentials = errors.New("no AWS credentials")

// Refused says that a secret does not exist or may not be read.
type Refused struct {
	Code   event.Code // of what is wrong; empty: event.Secret
	Reason string     // of the store; never the secret
	Action string     // the IAM action that the task role needs; empty where none helps
}

// Error is the reason, and what is missing.
func (r *Refused) Error() string {
	if r.Action == "" {
		return r.Reason
	}
	return r.Reason + "; the task role needs " + r.Action
}

// Store reads secrets of AWS. It answers with the whole value (the key of ref
// is not its business), ErrNotYet, a *Refused, or any other error for an outage.
type Store interface {
	Get(ctx context.Context, ref Ref) (String, error)
}

// Config is what a Resolver needs.
type Config struct {
	Env   func(name string) (string, bool) // of env: references; nil: there is none
	Store Store                            // of ARNs; nil: they are refused
	Wait  time.Duration                    // longest wait for a value, through outages as well; the last question is at its end

	// Report gets, at each change, what is waited for, and event.WaitOver at the
	// end. It is never called from two goroutines at once. nil: nobody listens.
	Report event.Report
}

// All resolves references, all at once. It returns when each has its value, or
// at the first that is hopeless: refused for Stubborn, or without a value for
// Wait. Its errors name the reference, hold no secret, and have a code of the
// exit code 201; with ctx done, the error is its cause.
func All(ctx context.Context, cfg Config, refs ...Ref) (map[Ref]String, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := waits{report: cfg.Report.Or(), reason: map[Ref]error{}}
	defer w.end()
	refs = slices.Clone(refs)
	slices.SortFunc(refs, func(a, b Ref) int { return cmp.Compare(a.String(), b.String()) })
	refs = slices.Compact(refs)

	var wg sync.WaitGroup
	values, errs := make([]String, len(refs)), make([]error, len(refs))
	for i, ref := range refs {
		wg.Go(func() {
			values[i], errs[i] = cfg.one(ctx, ref, &w)
			if errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	if err := worst(errs); err != nil {
		return nil, err
	}
	all := make(map[Ref]String, len(refs))
	for i, ref := range refs {
		all[ref] = values[i]
	}
	return all, nil
}

// Once asks for a value that was there before, a single time. The error names the
// reference and holds no secret.
func Once(ctx context.Context, cfg Config, ref Ref) (String, error) {
	s, err := cfg.ask(ctx, ref, callLimit)
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", ref, err)
	}
	return s, nil
}

// worst is the joined errors, without those that only follow from another's.
func worst(errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	own := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, context.Canceled) })
	switch {
	case len(own) > 0:
		return errors.Join(own...)
	case len(errs) > 0:
		return errs[0]
	}
	return nil
}

// one resolves one reference.
func (c Config) one(ctx context.Context, ref Ref, w *waits) (String, error) {
	began := time.Now()
	var refused time.Time // since when; zero: not now
	pauses := retry.Backoff{First: firstPause, Max: lastPause}
	var said error // by a call that was not cut
	for {
		limit := min(callLimit, max(lastCall, c.Wait-time.Since(began)))
		s, err := c.ask(ctx, ref, limit)
		if err == nil {
			w.set(ref, nil)
			return s, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if said != nil && limit < callLimit && errors.Is(err, context.DeadlineExceeded) {
			err = said // a last call that had no time would hide the reason
		}
		said = err
		w.set(ref, err)
		left := c.Wait - time.Since(began)
		pause := pauses.Next()
		_, denied := errors.AsType[*Refused](err)
		switch {
		case denied:
			if refused.IsZero() {
				refused = time.Now()
			}
			left = min(left, Stubborn-time.Since(refused))
			if ref.Kind == Env || ref.Kind == None {
				left = 0 // our own environment does not change
			}
		case errors.Is(err, ErrNotYet):
			refused, pause = time.Time{}, look
			pauses.Reset() // the store answers
		default:
			refused = time.Time{}
		}
		if left <= 0 {
			if !denied {
				err = fmt.Errorf("%w, after %s", err, time.Since(began).Round(time.Millisecond))
			}
			return "", because(ref, fmt.Errorf("secret %s: %w", ref, err))
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(min(pause, left)):
		}
	}
}

// ask asks once, a store for at most limit.
func (c Config) ask(ctx context.Context, ref Ref, limit time.Duration) (String, error) {
	switch ref.Kind {
	case Env:
		if c.Env != nil {
			if v, _ := c.Env(ref.Name); v != "" {
				return String(v), nil
			}
		}
		return "", &Refused{Code: event.SecretVariable, Reason: "the variable is not set, or empty"}
	case File:
		b, err := os.ReadFile(ref.Path)
		if err != nil {
			return "", &Refused{Code: event.SecretFile, Reason: err.Error()}
		}
		return value(ref, strings.TrimRight(string(b), "\r\n"))
	case SecretsManager, SSM:
		if c.Store == nil {
			return "", &Refused{Reason: "there is no access to AWS here"}
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		s, err := c.Store.Get(ctx, ref)
		if err != nil {
			return "", err
		}
		return value(ref, string(s))
	}
	return "", &Refused{Reason: "no reference"}
}

// value picks the key of a secret's content.
func value(ref Ref, content string) (String, error) {
	trimmed := strings.TrimSpace(content)
	if trimmed == "" || trimmed == "{}" {
		return "", fmt.Errorf("it is empty: %w", ErrNotYet)
	}
	if ref.Key == "" {
		return String(content), nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(content), &fields) != nil {
		return "", fmt.Errorf("it is not a JSON object, so it has no key %q: %w", ref.Key, ErrNotYet)
	}
	raw, ok := fields[ref.Key]
	if !ok {
		return "", fmt.Errorf("it has no key %q: %w", ref.Key, ErrNotYet)
	}
	text := string(raw)
	if raw[0] == '"' {
		text = ""
		_ = json.Unmarshal(raw, &text)
	}
	if text == "" || text == "null" || text == "{}" {
		return "", fmt.Errorf("its key %q is empty: %w", ref.Key, ErrNotYet)
	}
	return String(text), nil
}
