package awssdk

import (
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Refusal is an error that a service of AWS answered with.
type Refusal struct {
	Code, Message string // by the API's reference; nothing of the request is in them
	Throttled     bool   // a quota was exceeded
	ServerFault   bool   // the service failed: the request may or may not have been carried out
}

// Refused says what the service answered. false: err is no answer of it, but a
// connection that failed, a proxy's page, or no credentials.
func Refused(err error) (Refusal, bool) {
	api, ok := errors.AsType[smithy.APIError](err)
	// The SDK has a code of its own for an answer without one, which is not AWS's.
	if !ok || api.ErrorCode() == "" || api.ErrorCode() == "UnknownError" {
		return Refusal{}, false
	}
	status := 0
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = r.HTTPStatusCode()
	}
	return Refusal{
		Code: api.ErrorCode(), Message: api.ErrorMessage(),
		Throttled: retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary || status == http.StatusTooManyRequests,
		ServerFault: status >= 500 || slices.Contains([]string{"ServerException", "InternalServiceError", "InternalServerError"},
			api.ErrorCode()),
	}, true
}

// Short is err, or of a request that was not answered just why: the SDK puts the
// operation, a status that there is none and an empty ID before that.
func Short(err error) error {
	if sent, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok && sent.Err != nil {
		return sent.Err
	}
	return err
}

// Is says whether err is a refusal with that code.
func Is(err error, code string) bool {
	r, ok := Refused(err)
	return ok && r.Code == code
}
