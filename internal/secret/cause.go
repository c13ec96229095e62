package secret

import (
	"cmp"
	"errors"

	"meshtask/internal/event"
)

// because gives an error of ref its code, with ref and the action that would help as facts.
func because(ref Ref, err error) error {
	code, facts := event.Secret, []string{"secret", ref.String()}
	refused, ok := errors.AsType[*Refused](err)
	switch {
	case errors.Is(err, ErrNotYet):
		code = event.SecretNotFilled
	case errors.Is(err, ErrNoCredentials):
		code = event.SecretRole
	case ok:
		code = cmp.Or(refused.Code, event.Secret)
		facts = append(facts, event.FactSaid, refused.Reason)
		if refused.Action != "" {
			facts = append(facts, "action", refused.Action)
		}
	}
	return event.Because(code, err, facts...)
}

// fix is what usually helps.
func fix(err error) string {
	r, refused := errors.AsType[*Refused](err)
	switch {
	case errors.Is(err, ErrNotYet):
		return "check that the ACL controller runs for this cluster and that the task carries its tags"
	case refused && r.Action != "":
		return "allow " + r.Action + " in the task role, and check the ARN"
	case refused:
		return "check the reference"
	}
	return "check that the task has a task role and a way to the endpoint of the service"
}
