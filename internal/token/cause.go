package token

import (
	"errors"
	"strings"

	"meshtask/internal/event"
	"meshtask/internal/secret"
)

// because gives an error of secret.All its cause: that of the first reference that is
// hopeless.
func because(err error) error {
	refused, ok := errors.AsType[*secret.Refused](err)
	switch {
	case errors.Is(err, secret.ErrNotYet) && !ok:
		return event.Because(event.SecretNotFilled, err)
	case !ok:
		return event.Because(event.Secret, err)
	case strings.HasPrefix(refused.Action, "kms:"):
		return event.Because(event.SecretKMS, err, "action", refused.Action)
	case strings.Contains(refused.Reason, "ResourceNotFoundException"), strings.Contains(refused.Reason, "ParameterNotFound"):
		return event.Because(event.SecretMissing, err, "action", refused.Action)
	case refused.Action != "":
		return event.Because(event.SecretDenied, err, "action", refused.Action)
	case refused.Kind == secret.Env:
		return event.Because(event.SecretVariable, err)
	case refused.Kind == secret.File:
		return event.Because(event.SecretFile, err)
	}
	return event.Because(event.Secret, err)
}
