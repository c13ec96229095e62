package awsapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Error is a service's refusal. Its text holds nothing of the request.
type Error struct {
	Code, Message string // by the API's reference
	Status        int    // of HTTP
	RequestID     string // for AWS's support; may be empty
}

func (e *Error) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// ErrorCode is what the SDK's retryers ask for.
func (e *Error) ErrorCode() string { return e.Code }

// HTTPStatusCode is what the SDK's retryers ask for.
func (e *Error) HTTPStatusCode() int { return e.Status }

// Throttled says whether a quota was exceeded, by the SDK's list of codes.
func (e *Error) Throttled() bool {
	return retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(e) == aws.TrueTernary
}

// ServerFault says whether the service itself failed, so that the request may
// or may not have been carried out.
func (e *Error) ServerFault() bool {
	return e.Status >= 500 || slices.Contains([]string{"ServerException", "InternalServiceError", "InternalServerError"}, e.Code)
}

// Is says whether err is a refusal with that code.
func Is(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// lost is a request whose answer did not arrive.
type lost struct{ error }

func (l *lost) Unwrap() error { return l.error }

// ConnectionError is what the SDK's retryers ask for.
func (l *lost) ConnectionError() bool { return true }

// stranger is an answer that is not the service's: a proxy's page, say.
type stranger struct{ status int }

func (s *stranger) Error() string {
	return fmt.Sprintf("HTTP %d without an error of AWS in it", s.status)
}

// HTTPStatusCode is what the SDK's retryers ask for.
func (s *stranger) HTTPStatusCode() int { return s.status }

// refusal reads an answer that is no success.
func refusal(resp *http.Response, body []byte) error {
	var in struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // some services write Message: the decoder takes both
	}
	_ = json.Unmarshal(body, &in) // then there is no code in it
	e := &Error{Message: in.Message, Status: resp.StatusCode, RequestID: resp.Header.Get("X-Amzn-RequestId")}
	for _, code := range []string{resp.Header.Get("X-Amzn-ErrorType"), in.Type, in.Code} {
		// As in "com.amazonaws.ecs#ServerException:http://internal/".
		code, _, _ = strings.Cut(code, ":")
		if e.Code = code[strings.LastIndexByte(code, '#')+1:]; e.Code != "" {
			return e
		}
	}
	return &stranger{resp.StatusCode}
}

// doubtsClock says whether err may come of a wrong clock.
func doubtsClock(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && slices.Contains([]string{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired",
		"RequestInTheFuture", "RequestTimeTooSkewed", "AuthFailure"}, e.Code)
}
