package consulagent

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	callLimit = 2 * time.Second // of one call to the agent, the servers' share included
	maxText   = 512             // of an error's text
)

// refusal is an answer of the agent that refuses or fails, in words of ours. It unwraps to
// the api.StatusError.
type refusal struct{ api.StatusError }

func (r refusal) Error() string {
	text := strings.TrimSpace(r.Body)
	return fmt.Sprintf("the agent answers %d: %s", r.Code, text[:min(len(text), maxText)])
}

func (r refusal) Unwrap() error { return r.StatusError }

// answered puts the error of a call into words, without the URL, which callers know.
func answered(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[api.StatusError](err); ok {
		return refusal{e}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the agent cannot be reached: %w", e.Err)
	}
	return fmt.Errorf("the agent's answer is not understood: %w", err)
}

// reply is what Consul has answered, without what servers and agents put around it as they pass
// it on.
func reply(err error) string {
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

// aclNotFound: the agent or server that looked does not know the token, or not yet. Agents remember
// that for 30 seconds (acl.token_ttl).
func aclNotFound(err error) bool { return says(err, "ACL not found") }

// denied: the token is known, and has not the right.
func denied(err error) bool { return says(err, "Permission denied") }

// noServers: the agent knows of no server, so it has not joined, or all have failed.
func noServers(err error) bool { return says(err, "No known Consul servers") }

// says: the answer is an error with these words of Consul's.
func says(err error, words string) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && strings.Contains(e.Body, words)
}

func status(err error, code int) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && e.Code == code
}
