package acl

import (
	"errors"
	"fmt"
)

// What the implementations of the interfaces answer with, wrapped or not, when
// the caller acts on it.
var (
	// ErrMissing: the secret does not exist.
	ErrMissing = errors.New("does not exist")
	// ErrConflict: another writer replaced the version first, or the IDs are
	// taken by something else.
	ErrConflict = errors.New("was changed by another writer")
	// ErrThrottled: too many calls; the call may be repeated later.
	ErrThrottled = errors.New("throttled")
	// ErrUnsure: the call failed on its way, there or back; it may be repeated.
	ErrUnsure = errors.New("no answer")
)

// errPartial marks the failure of a sweep that saw everything and did the rest.
var errPartial = errors.New("operations failed")

func isThrottled(err error) bool { return errors.Is(err, ErrThrottled) }

// expected are answers, not failures.
func expected(err error) bool { return errors.Is(err, ErrMissing) || errors.Is(err, ErrConflict) }

// Denied is a refusal: who refused, and which privilege would be needed.
type Denied struct {
	By     string // such as "consul" or "secretsmanager"
	Needs  string // an IAM action with its resource, or a Consul privilege
	Reason string // what was answered
}

func (d *Denied) Error() string {
	return fmt.Sprintf("%s denies access: needs %s (%s)", d.By, d.Needs, d.Reason)
}
