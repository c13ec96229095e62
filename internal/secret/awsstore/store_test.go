package awsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/secret"
	"meshtask/internal/testbed/eventually"
)

const (
	arn   = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:web-AbCdEf"
	other = "arn:aws:secretsmanager:us-east-2:123456789012:secret:web-AbCdEf"
	param = "arn:aws:ssm:eu-west-3:123456789012:parameter/mesh/ca"
)

// reply is what the fake answers: a value, or an error of AWS.
type reply struct {
	status int // 0: 200
	code   string
	text   string
	body   map[string]any
}

// cloud plays Secrets Manager and SSM: AWS JSON 1.1 by X-Amz-Target, with the
// regions that requests were signed for.
type cloud struct {
	mu      sync.Mutex
	reply   reply
	asked   []string // target and body
	regions []string
}

func newCloud(t *testing.T) *cloud {
	a := &cloud{}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	for name, v := range map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "ap-south-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, v)
	}
	return a
}

func (a *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.Header.Get("X-Amz-Target")+" "+string(body))
	if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 2 {
		a.regions = append(a.regions, scope[2])
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	out := a.reply.body
	if a.reply.code != "" {
		w.WriteHeader(max(a.reply.status, 400))
		out = map[string]any{"__type": a.reply.code, "message": a.reply.text}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (a *cloud) answer(r reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply = r
}

func ref(t *testing.T, s string) secret.Ref {
	t.Helper()
	r, err := secret.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGet(t *testing.T) {
	for _, c := range []struct {
		ref, want, asked string
		body             map[string]any
	}{
		{arn, "v", `secretsmanager.GetSecretValue {"SecretId":"` + arn + `"}`, map[string]any{"SecretString": "v"}},
		{arn + ":token::", `{"token":"t"}`, `secretsmanager.GetSecretValue {"SecretId":"` + arn + `"}`, map[string]any{"SecretString": `{"token":"t"}`}},
		{arn + ":k:AWSPREVIOUS:4d8e5a20-0000-4000-8000-000000000000", "v", `secretsmanager.GetSecretValue {"SecretId":"` + arn + `","VersionId":"4d8e5a20-0000-4000-8000-000000000000","VersionStage":"AWSPREVIOUS"}`, map[string]any{"SecretString": "v"}},
		{arn, "bin", `secretsmanager.GetSecretValue {"SecretId":"` + arn + `"}`, map[string]any{"SecretBinary": []byte("bin")}},
		{param, "pem", `AmazonSSM.GetParameter {"Name":"` + param + `","WithDecryption":true}`, map[string]any{"Parameter": map[string]any{"Value": "pem"}}},
	} {
		a := newCloud(t)
		a.answer(reply{body: c.body})
		got, err := new(Store).Get(t.Context(), ref(t, c.ref))
		if err != nil || got.Reveal() != c.want {
			t.Errorf("%s: got %q, %v", c.ref, got.Reveal(), err)
		}
		if len(a.asked) != 1 || a.asked[0] != c.asked {
			t.Errorf("%s: asked\n%q, want\n%q", c.ref, a.asked, c.asked)
		}
		if len(a.regions) != 1 || a.regions[0] != "eu-west-3" {
			t.Errorf("%s: signed for %v, want the region of the ARN", c.ref, a.regions)
		}
	}
}

// One store serves several regions, with one client each, and sets nothing up
// before it is asked.
func TestLazy(t *testing.T) {
	a := newCloud(t)
	a.answer(reply{body: map[string]any{"SecretString": "v"}})
	var s Store
	for _, r := range []string{arn, other, arn} {
		if _, err := s.Get(t.Context(), ref(t, r)); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(a.regions); got != "[eu-west-3 us-east-2 eu-west-3]" || len(s.secrets) != 2 || s.parameters != nil {
		t.Errorf("regions %s, %d secrets clients, parameter clients %v", got, len(s.secrets), s.parameters)
	}
	if _, err := s.Get(t.Context(), ref(t, "env:X")); err == nil {
		t.Error("env: must not reach AWS")
	}
}

func TestErrors(t *testing.T) {
	const (
		outage = "outage"
		notYet = "not yet"
	)
	for name, c := range map[string]struct {
		ref   string
		reply reply
		want  string // outage, notYet, or the missing action
		why   event.Code
	}{
		"unknown":           {arn, reply{code: "ResourceNotFoundException", text: "Secrets Manager can't find the specified secret."}, getSecret, event.SecretMissing},
		"no version":        {arn, reply{code: "ResourceNotFoundException", text: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"}, notYet, ""},
		"denied":            {arn, reply{code: "AccessDeniedException", text: "User: x is not authorized to perform: secretsmanager:GetSecretValue"}, getSecret, event.SecretDenied},
		"denied by KMS":     {arn, reply{code: "AccessDeniedException", text: "Access to KMS is not allowed"}, decrypt, event.SecretKMS},
		"cannot decrypt":    {arn, reply{code: "DecryptionFailure", text: "Secrets Manager can't decrypt the protected secret text"}, decrypt, event.SecretKMS},
		"being deleted":     {arn, reply{code: "InvalidRequestException", text: "You can't perform this operation on the secret because it was marked for deletion."}, getSecret, event.SecretDenied},
		"bad credentials":   {arn, reply{code: "UnrecognizedClientException", text: "The security token included in the request is invalid."}, getSecret, event.SecretDenied},
		"throttled":         {arn, reply{code: "ThrottlingException", text: "Rate exceeded"}, outage, ""},
		"internal":          {arn, reply{status: 500, code: "InternalServiceError", text: "x"}, outage, ""},
		"unavailable":       {arn, reply{status: 503, code: "Whatever", text: "x"}, outage, ""},
		"expired":           {arn, reply{code: "ExpiredTokenException", text: "x"}, outage, ""},
		"no parameter":      {param, reply{code: "ParameterNotFound", text: ""}, getParameter, event.SecretMissing},
		"parameter denied":  {param, reply{code: "AccessDeniedException", text: "not authorized to perform: ssm:GetParameter"}, getParameter, event.SecretDenied},
		"parameter, no KMS": {param, reply{code: "AccessDeniedException", text: "The ciphertext refers to a customer master key … kms:Decrypt"}, decrypt, event.SecretKMS},
		"parameter, key":    {param, reply{code: "InvalidKeyId", text: "x"}, decrypt, event.SecretKMS},
		"parameters busy":   {param, reply{code: "ThrottlingException", text: "Rate exceeded"}, outage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newCloud(t)
			a.answer(c.reply)
			_, err := new(Store).Get(t.Context(), ref(t, c.ref))
			got := outage
			if r, ok := errors.AsType[*secret.Refused](err); ok {
				got = r.Action
				if r.Code != c.why {
					t.Errorf("%v has the code %s, want %s", err, r.Code, c.why)
				}
				if !strings.Contains(err.Error(), c.reply.code) || !strings.Contains(err.Error(), c.reply.text) {
					t.Errorf("%v: want what AWS said", err)
				}
			} else if errors.Is(err, secret.ErrNotYet) {
				got = notYet
			}
			if err == nil || got != c.want {
				t.Errorf("%v is %q, want %q", err, got, c.want)
			}
			if len(a.asked) != 1 {
				t.Errorf("asked %d times: retrying is the resolver's", len(a.asked))
			}
		})
	}
}

// A connection that breaks is an outage, not a refusal.
func TestUnreachable(t *testing.T) {
	newCloud(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	_, err := new(Store).Get(t.Context(), ref(t, arn))
	if _, refused := errors.AsType[*secret.Refused](err); err == nil || refused || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "StatusCode") {
		t.Errorf("got %v, want an outage, shortly", err)
	}
}

// The whole way: the resolver over the SDK over the wire, with a secret that
// is filled while it waits.
func TestResolved(t *testing.T) {
	a := newCloud(t)
	a.answer(reply{body: map[string]any{"SecretString": "{}"}})
	r := ref(t, arn+":token::")
	var once sync.Once
	got, err := secret.All(t.Context(), secret.Config{
		Store: new(Store), Wait: time.Minute,
		Report: func(event.Event) {
			once.Do(func() { a.answer(reply{body: map[string]any{"SecretString": `{"accessor_id":"a","token":"t0k"}`}}) })
		},
	}, r)
	if err != nil || got[r] != "t0k" {
		t.Errorf("got %q, %v", got[r].Reveal(), err)
	}

	a.answer(reply{code: "AccessDeniedException", text: "no"})
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience) // far below the wait, which is not for what is denied
	defer cancel()
	_, err = secret.All(ctx, secret.Config{Store: new(Store), Wait: time.Hour}, r)
	if err == nil || !strings.Contains(err.Error(), arn) || !strings.Contains(err.Error(), getSecret) || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
