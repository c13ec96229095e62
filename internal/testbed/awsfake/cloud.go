package awsfake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Region is the Region of every fake.
const Region = "us-east-1"

// Cloud plays ECS, Secrets Manager and SSM on one address.
type Cloud struct {
	URL     string
	ECS     *ECS
	Secrets *Secrets
	SSM     *SSM

	mu        sync.Mutex
	calls     map[string]int
	intercept func(Call) Fault
	policy    *Policy
}

// Call is one call of an API.
type Call struct {
	API      string // such as "ecs:ListTasks": the IAM action
	Resource string // ARN, or "*"
	N        int    // of all calls so far, from 1
}

// Fault is what goes wrong with a call; the zero value is nothing.
type Fault struct {
	Code    string        // of AWS's error; empty: none
	Message string        //
	Lost    bool          // the call is carried out, but its answer does not arrive
	Delay   time.Duration // before anything else
}

// reply is an API's reply: a JSON document, or an error of AWS.
type reply struct {
	status        int // 0: 200
	body          any
	code, message string
}

func ok(body any) reply { return reply{body: body} }

func fail(code, format string, args ...any) reply {
	return reply{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// New starts a cloud; done is told what ends it, as testing.T.Cleanup is.
func New(done func(func())) *Cloud {
	c := &Cloud{ECS: newECS(), Secrets: newSecrets(), SSM: newSSM(), calls: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(c.serve))
	c.URL = server.URL
	done(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return c
}

// Config makes SDK clients talk to this cloud.
func (c *Cloud) Config() aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: aws.String(c.URL), HTTPClient: client{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}},
		Credentials: aws.CredentialsProviderFunc(staticCredentials)}
}

// client hides that a request's body can write itself, which the SDK's ends with io.EOF
// when the answer comes early, as a fake's does: net/http then closes the connection under
// it (aws/aws-sdk-go-v2#2737).
type client struct{ *http.Client }

func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r = r.WithContext(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.Client.Do(r)
}

// Environment is the same for a process.
func (c *Cloud) Environment() []string {
	return []string{"AWS_ENDPOINT_URL=" + c.URL, "AWS_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=AKIAFAKE", "AWS_SECRET_ACCESS_KEY=fake", "AWS_EC2_METADATA_DISABLED=true"}
}

// Intercept asks f what goes wrong with each call from now on; nil: nothing. f
// runs on the goroutine of the call, and calls may overlap.
func (c *Cloud) Intercept(f func(Call) Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intercept = f
}

// Enforce denies from now on what p does not allow.
func (c *Cloud) Enforce(p *Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policy = p
}

// Calls are the calls of each API since the last ResetCalls.
func (c *Cloud) Calls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// ResetCalls begins the count anew.
func (c *Cloud) ResetCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.calls)
}

// targets are the services by the prefix of the header X-Amz-Target.
var targets = map[string]string{
	"AmazonEC2ContainerServiceV20141113": "ecs",
	"secretsmanager":                     "secretsmanager",
	"AmazonSSM":                          "ssm",
}

func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client is gone
	}
	target, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	service, known := targets[target]
	var a reply
	switch {
	case r.Method != http.MethodPost || !known:
		a = fail("UnknownOperationException", "no operation %q", r.Header.Get("X-Amz-Target"))
	case !strings.Contains(r.Header.Get("Authorization"), "/"+Region+"/"+service+"/aws4_request"):
		a = fail("InvalidSignatureException", "credential should be scoped to a valid Region and service")
	default:
		a = c.dispatch(r.Context(), service, operation, body)
	}
	if a.status == lost {
		panic(http.ErrAbortHandler) // drops the connection
	}
	write(w, a)
}

// lost marks an answer that does not arrive.
const lost = -1

func (c *Cloud) dispatch(ctx context.Context, service, operation string, body []byte) reply {
	call := Call{API: service + ":" + operation, Resource: c.resource(service, body)}
	c.mu.Lock()
	c.calls[call.API]++
	for _, n := range c.calls {
		call.N += n
	}
	intercept, policy := c.intercept, c.policy
	c.mu.Unlock()
	var fault Fault
	if intercept != nil {
		fault = intercept(call)
	}
	select {
	case <-time.After(fault.Delay):
	case <-ctx.Done():
		return reply{status: lost}
	}
	switch {
	case fault.Code != "":
		return fail(fault.Code, "%s", fault.Message)
	case policy != nil && !policy.Allows(call.API, call.Resource):
		return fail("AccessDeniedException", "User: arn:aws:sts::%s:assumed-role/test/s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
			Account, call.API, call.Resource, call.API)
	}
	var a reply
	switch service {
	case "ecs":
		a = c.ECS.serve(operation, body)
	case "secretsmanager":
		a = c.Secrets.serve(operation, body)
	case "ssm":
		a = c.SSM.serve(operation, body)
	}
	if fault.Lost {
		return reply{status: lost}
	}
	return a
}

// resource is the ARN that a call is about, as IAM would see it.
func (c *Cloud) resource(service string, body []byte) string {
	var in struct{ SecretId, Name, Cluster string }
	_ = json.Unmarshal(body, &in) //nolint:errcheck // a bad body is the operation's to refuse
	switch service {
	case "secretsmanager":
		if in.SecretId == "" {
			in.SecretId = in.Name
		}
		return c.Secrets.arn(in.SecretId)
	case "ssm":
		return c.SSM.arn(in.Name)
	}
	return "*"
}

func write(w http.ResponseWriter, a reply) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if a.code != "" {
		a.body = map[string]string{"__type": a.code, "message": a.message}
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) //nolint:errcheck // the client may be gone
}

// decode reads an operation's input; a reply with a code is its refusal.
func decode(body []byte, in any) (reply, bool) {
	if err := json.Unmarshal(body, in); err != nil {
		return fail("SerializationException", "%v", err), false
	}
	return reply{}, true
}
