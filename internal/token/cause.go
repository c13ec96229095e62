package token

import (
	"errors"
	"slices"
	"strings"

	"meshtask/internal/event"
	"meshtask/internal/secret"
)

// loginCode is why a login did not succeed: by the answer's text, which is all that Consul's
// client gives.
func loginCode(err error) event.Code {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(err.Error(), w) })
	}
	switch {
	case has("AWS credentials", "assumed role"):
		return event.LoginRole
	case has("Permission denied", "ACL not found", "code: 403"):
		return event.LoginRefused
	}
	return event.Login
}

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
