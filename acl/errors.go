package acl

import (
	"errors"
	"fmt"
)

// What the adapters answer with, wrapped or not, when the controller acts on it.
var (
	// errMissing: the secret does not exist.
	errMissing = errors.New("does not exist")
	// errConflict: another writer replaced the version first, or the name or the
	// IDs are taken by something else.
	errConflict = errors.New("was changed by another writer")
	// errThrottled: too many calls; the call may be repeated later.
	errThrottled = errors.New("throttled")
	// errRefused: an argument of the call is not what the API takes.
	errRefused = errors.New("refused")
	// errUnsure: the call failed on its way, there or back; it may be repeated.
	errUnsure = errors.New("no answer")
)

// errPartial marks the failure of a sweep that saw everything and did the rest.
var errPartial = errors.New("operations failed")

func isThrottled(err error) bool { return errors.Is(err, errThrottled) }

// expected are answers, not failures.
func expected(err error) bool { return errors.Is(err, errMissing) || errors.Is(err, errConflict) }

// denied is a refusal: who refused, and which privilege would be needed.
type denied struct {
	by     string // such as "Consul" or "AWS"
	needs  string // an IAM action with its resource, or a Consul privilege
	reason string // what was answered
}

func (d *denied) Error() string {
	return fmt.Sprintf("%s denies access: needs %s (%s)", d.by, d.needs, d.reason)
}
