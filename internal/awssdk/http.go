package awssdk

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// attemptLimit bounds one attempt, from its connection to the end of its answer.
	attemptLimit = 30 * time.Second
	// dialLimit bounds a connection; the SDK's own is 30 s.
	dialLimit = 5 * time.Second
	// maxAnswer is far above the longest answer of AWS: 100 tasks with their tags.
	maxAnswer = 16 << 20
)

var errRedirect = errors.New("the endpoint of AWS answers with a redirect, which is not followed: it may carry a secret")

// httpClient is the SDK's own, which alone takes AWS_CA_BUNDLE, except that it
// follows no redirect. The SDK follows 307 and 308 with the body, and offers no
// switch; its transport asks Proxy for every request, redirected ones included, but
// for those that HTTP/2 sends on a connection that it has.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(attemptLimit).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialLimit }).
		WithTransportOptions(func(t *http.Transport) {
			t.ForceAttemptHTTP2 = false
			t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			t.Proxy = func(r *http.Request) (*url.URL, error) {
				if r.Response != nil {
					return nil, errRedirect
				}
				return http.ProxyFromEnvironment(r)
			}
		})
}

// Bound is c, with answers that are read up to 16 MiB, and without a defect of the
// SDK: it closes a request's body when the answer begins, and the body's WriteTo then
// ends with io.EOF, for which net/http closes the connection under the answer
// (aws/aws-sdk-go-v2#2737). The SDK tries such a call again, where it may.
func Bound(c aws.HTTPClient) aws.HTTPClient { return bounded{c} }

type bounded struct{ client aws.HTTPClient }

func (b bounded) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r = r.WithContext(r.Context())           // a copy
		r.Body = struct{ io.ReadCloser }{r.Body} // has no WriteTo
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}
