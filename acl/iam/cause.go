package iam

import (
	"errors"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
)

// because gives an error of a login its code, with the auth method and the server as facts.
// A code that it has already stays.
func (c Config) because(code event.Code, err error) error {
	if known := event.CauseOf(err); known != nil {
		code = known.Code
	}
	return event.Because(code, err, "method", c.Method, "server", c.Server, event.FactSaid, err.Error())
}

// answered is Consul's answer as an error with a code; nil for a good one.
func (c Config) answered(err error) error {
	switch {
	case err == nil:
		return nil
	case refused(err):
		return c.because(event.LoginRefused, clean(err))
	}
	return c.because(event.Login, clean(err))
}

// refused says whether Consul has decided against it. Servers that forward a call may wrap
// the refusal in another status.
func refused(err error) bool {
	status, ok := errors.AsType[api.StatusError](err)
	return ok && status.Code == http.StatusForbidden || strings.Contains(err.Error(), "Permission denied") || notFound(err)
}
