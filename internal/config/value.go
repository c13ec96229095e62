package config

import (
	"encoding/json"
	"syscall"
	"time"

	"meshtask/internal/secret"
	"meshtask/internal/signame"
)

// Duration is a duration that knows whether somebody gave it: "defaults shrink
// to fit, a given value that cannot fit is refused".
type Duration struct {
	time.Duration
	Given bool
}

// Signal is a signal's number; 0 is none.
type Signal int

func (r *report) duration(s string, p *Duration, path string) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		r.error(path, `must be a duration such as "1.5s" or "2m", got %q`, s)
	case d < 0:
		r.error(path, "must not be negative, got %s", s)
	default:
		*p = Duration{Duration: d, Given: true}
	}
}

func (r *report) signal(s string, p *Signal, path string) {
	sig, ok := signame.Parse(s)
	if !ok {
		r.error(path, "unknown signal %q: %s", s, signalForms)
		return
	}
	*p = Signal(sig)
}

func (r *report) reference(s string, p *secret.Ref, path string) {
	ref, err := secret.Parse(s)
	if err != nil {
		r.error(path, "%v", err)
		return
	}
	*p = ref
}

// IsZero says whether the duration is neither given nor defaulted.
func (d Duration) IsZero() bool { return d.Duration == 0 && !d.Given }

// MarshalJSON is the duration as a Go string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String is the signal's name, such as SIGTERM or SIGRTMIN+2.
func (s Signal) String() string {
	return signame.Of(syscall.Signal(s))
}

// MarshalText is String.
func (s Signal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// signalForms are the forms of a signal, for error messages.
const signalForms = "want a name such as TERM or SIGTERM, RTMIN+N, or a number from 1 to 64"
