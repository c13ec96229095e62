package registration

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hashicorp/consul/api"
)

const maxText = 512 // of an error's text

// refusal is an answer that refuses or fails, in words of ours. It unwraps to the
// api.StatusError.
type refusal struct {
	api.StatusError
	who string
}

func (r refusal) Error() string {
	text := strings.TrimSpace(r.Body)
	return fmt.Sprintf("%s answers %d: %s", r.who, r.Code, text[:min(len(text), maxText)])
}

func (r refusal) Unwrap() error { return r.StatusError }

// Answered puts the error of a call to who into words, without the URL, which callers know.
func Answered(who string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[api.StatusError](err); ok {
		return refusal{e, who}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%s cannot be reached: %w", who, e.Err)
	}
	return fmt.Errorf("the answer of %s is not understood: %w", who, err)
}

// Reply is what Consul has answered, without what servers and agents put around it as they pass
// it on.
func Reply(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[api.StatusError](err); ok {
		text = e.Body
	}
	for _, around := range []string{"rpc error making call: ", "rpc error: "} {
		if i := strings.LastIndex(text, around); i >= 0 {
			text = text[i+len(around):]
		}
	}
	return strings.TrimSpace(text[:min(len(text), maxText)])
}

// ACLNotFound: the agent or server that looked does not know the token, or not yet. Agents remember
// that for 30 seconds (acl.token_ttl).
func ACLNotFound(err error) bool { return says(err, "ACL not found") }

// Denied: the token is known, and has not the right.
func Denied(err error) bool { return says(err, "Permission denied") }

// NoServers: the agent knows of no server, so it has not joined, or all have failed.
func NoServers(err error) bool { return says(err, "No known Consul servers") }

// says: the answer is an error with these words of Consul's.
func says(err error, words string) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && strings.Contains(e.Body, words)
}

// Status: the answer has this HTTP status code.
func Status(err error, code int) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && e.Code == code
}
