package awssdk

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// answer is what the fake says to one request; status 0: 200.
type answer struct {
	status int
	header map[string]string
	body   string
}

// fake answers the nth request, from 0, by say, and keeps what came.
type fake struct {
	url string
	say func(n int) answer

	mu     sync.Mutex
	reqs   []*http.Request
	bodies []string
}

func newFake(t *testing.T, say func(n int) answer) *fake {
	f := &fake{say: say}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	a := f.say(len(f.reqs))
	f.reqs, f.bodies = append(f.reqs, r), append(f.bodies, string(body))
	f.mu.Unlock()
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(max(a.status, 200))
	_, _ = io.WriteString(w, a.body)
}

func (f *fake) asked() ([]*http.Request, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reqs, strings.Join(f.bodies, "\n")
}

// environment is all that the SDK may find in this test, besides what is given.
func environment(t *testing.T, given map[string]string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it afterwards
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range map[string]string{"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	for name, value := range given {
		t.Setenv(name, value)
	}
}

func load(t *testing.T) aws.Config {
	t.Helper()
	cfg, err := Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const keys = `{"AccessKeyId":"K","SecretAccessKey":"S","Token":"T","Expiration":"2999-01-01T00:00:00Z"}`

// Neither the body of a call, which may be a secret, nor what credentials are fetched with
// goes to where a redirect points: not with 307 and 308 either, which the SDK may follow.
func TestNoRedirectIsFollowed(t *testing.T) {
	identity := file(t, "hunter2")
	update := func(cfg aws.Config) error {
		_, err := secretsmanager.NewFromConfig(cfg).UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{
			SecretId: aws.String("s"), SecretString: aws.String("hunter2"), ClientRequestToken: aws.String(strings.Repeat("1", 32))})
		return err
	}
	credentials := func(cfg aws.Config) error {
		_, err := cfg.Credentials.Retrieve(t.Context())
		return err
	}
	// The SDK's requests cannot be sent again, so net/http leaves a 307 alone; a plain one can.
	plain := func(cfg aws.Config) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, aws.ToString(cfg.BaseEndpoint), strings.NewReader("hunter2"))
		if err != nil {
			return err
		}
		req.Header.Set("X-Amz-Security-Token", "hunter2")
		resp, err := cfg.HTTPClient.Do(req)
		if err == nil && resp.StatusCode >= 300 {
			err = errors.New(resp.Status)
		}
		return err
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		stranger := newFake(t, func(int) answer { return answer{body: keys} })
		there := newFake(t, func(int) answer {
			return answer{status: status, header: map[string]string{"Location": stranger.url + "/x"}}
		})
		static := map[string]string{"AWS_ENDPOINT_URL": there.url, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"}
		for name, c := range map[string]struct {
			env map[string]string
			do  func(aws.Config) error
		}{
			"a service":       {static, update},
			"any request":     {static, plain},
			"the task's role": {map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": there.url + "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let me in"}, credentials},
			"a web identity":  {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": identity, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_ENDPOINT_URL_STS": there.url}, credentials},
		} {
			environment(t, c.env)
			t.Setenv("AWS_REGION", "eu-west-3")
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			before, _ := there.asked()
			if err := c.do(load(t)); err == nil {
				t.Errorf("%s, %d: no error", name, status)
			}
			if after, _ := there.asked(); len(after) == len(before) {
				t.Errorf("%s, %d: nothing was asked", name, status)
			}
			if reqs, bodies := stranger.asked(); len(reqs) > 0 {
				t.Errorf("%s: %d was followed: %s %s %q", name, status, reqs[0].Method, reqs[0].Header, bodies)
			}
		}
	}
}

// The SDK's ways to settings and credentials are all there.
func TestSettings(t *testing.T) {
	container := newFake(t, func(int) answer { return answer{body: keys} })
	sts := newFake(t, func(int) answer {
		return answer{header: map[string]string{"Content-Type": "text/xml"}, body: `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>` +
			`<AccessKeyId>WEB</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>` +
			`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`}
	})
	role := newFake(t, func(int) answer {
		return answer{header: map[string]string{"Content-Type": "text/xml"}, body: `<AssumeRoleResponse><AssumeRoleResult><Credentials>` +
			`<AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>` +
			`</Credentials></AssumeRoleResult></AssumeRoleResponse>`}
	})
	config := file(t, `
[default]
region = eu-west-3
aws_access_key_id = FILE
aws_secret_access_key = s
[profile assumed]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = default
region = us-east-2
[profile process]
credential_process = printf '{"Version":1,"AccessKeyId":"PROCESS","SecretAccessKey":"s"}'
[profile local]
aws_access_key_id = LOCAL
aws_secret_access_key = s
endpoint_url = http://127.0.0.1:1
services = nearby
[services nearby]
sts =
  endpoint_url = http://127.0.0.1:2
`)
	for name, c := range map[string]struct {
		env         map[string]string
		key, region string
		sts, ecs    string // endpoints
	}{
		"variables":    {map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_REGION": "cn-north-1"}, "A", "cn-north-1", "", ""},
		"one service":  {map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_STS": "http://sts:1"}, "A", "", "http://sts:1", "http://all:1"},
		"ignored":      {map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "A", "", "", ""},
		"the profile":  {map[string]string{"AWS_CONFIG_FILE": config, "AWS_PROFILE": "local"}, "LOCAL", "", "http://127.0.0.1:2", "http://127.0.0.1:1"},
		"default":      {map[string]string{"AWS_CONFIG_FILE": config}, "FILE", "eu-west-3", "", ""},
		"a process":    {map[string]string{"AWS_CONFIG_FILE": config, "AWS_PROFILE": "process"}, "PROCESS", "", "", ""},
		"a role":       {map[string]string{"AWS_CONFIG_FILE": config, "AWS_PROFILE": "assumed", "AWS_ENDPOINT_URL_STS": role.url}, "ROLE", "us-east-2", role.url, ""},
		"web identity": {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "t"), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_REGION": "eu-west-3", "AWS_ENDPOINT_URL_STS": sts.url}, "WEB", "eu-west-3", sts.url, ""},
		"a container":  {map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.url + "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file(t, "let me in")}, "K", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.env)
			cfg := load(t)
			creds, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil || creds.AccessKeyID != c.key || cfg.Region != c.region {
				t.Errorf("key %s in %q, %v", creds.AccessKeyID, cfg.Region, err)
			}
			if got := Endpoint(t.Context(), cfg, "STS"); got != c.sts {
				t.Errorf("STS is at %q, want %q", got, c.sts)
			}
			if got := aws.ToString(ecs.NewFromConfig(cfg).Options().BaseEndpoint); got != c.ecs {
				t.Errorf("ECS is at %q, want %q", got, c.ecs)
			}
		})
	}
	if reqs, _ := container.asked(); len(reqs) != 1 || reqs[0].Header.Get("Authorization") != "let me in" {
		t.Errorf("the task's credentials were asked for %d times, or without the token", len(reqs))
	}
}

func TestBadSettings(t *testing.T) {
	for name, c := range map[string]struct{ name, value, says string }{
		"no bundle":       {"AWS_CA_BUNDLE", "/nonexistent", "/nonexistent"},
		"empty bundle":    {"AWS_CA_BUNDLE", file(t, "no PEM"), "CA bundle"},
		"unknown profile": {"AWS_PROFILE", "none", "none"},
		"in the clear":    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/x", "loopback"},
	} {
		environment(t, map[string]string{c.name: c.value})
		if _, err := Load(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "AWS settings: ") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// The bundle of AWS_CA_BUNDLE is trusted by calls of services.
func TestCABundle(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"taskArns":["a"]}`) }))
	t.Cleanup(s.Close)
	env := map[string]string{"AWS_ENDPOINT_URL": s.URL, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_MAX_ATTEMPTS": "1"}
	list := func() error {
		environment(t, env)
		_, err := ecs.NewFromConfig(load(t)).ListTasks(t.Context(), &ecs.ListTasksInput{})
		return err
	}
	if err := list(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the bundle: %v", err)
	}
	env["AWS_CA_BUNDLE"] = file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	if err := list(); err != nil {
		t.Errorf("with the bundle: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answer                 answer
		code                   string // empty: no answer of AWS
		throttled, serverFault bool
	}{
		"body":       {answer{status: 400, body: `{"__type":"AccessDeniedException","Message":"no"}`}, "AccessDeniedException", false, false},
		"namespace":  {answer{status: 400, body: `{"__type":"com.amazonaws.ecs#ThrottlingException:http://x/","message":"slow"}`}, "ThrottlingException", true, false},
		"header":     {answer{status: 500, header: map[string]string{"X-Amzn-ErrorType": "ServerException"}, body: "{}"}, "ServerException", false, true},
		"by code":    {answer{status: 400, body: `{"__type":"InternalServiceError"}`}, "InternalServiceError", false, true},
		"429":        {answer{status: 429, body: `{"__type":"Whatever"}`}, "Whatever", true, false},
		"proxy":      {answer{status: 503, body: "<html>"}, "", false, false},
		"not found":  {answer{status: 404}, "", false, false},
		"not a JSON": {answer{body: "<html>"}, "", false, false},
		"endless":    {answer{body: strings.Repeat(" ", maxAnswer+1) + "{}"}, "", false, false},
	} {
		f := newFake(t, func(int) answer { return c.answer })
		environment(t, map[string]string{"AWS_ENDPOINT_URL": f.url, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_MAX_ATTEMPTS": "1"})
		_, err := ssm.NewFromConfig(load(t)).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("n")})
		got, ok := Refused(err)
		if err == nil || ok != (c.code != "") || got.Code != c.code || got.Throttled != c.throttled || got.ServerFault != c.serverFault || Is(err, c.code) != ok {
			t.Errorf("%s: %+v of %v", name, got, err)
		}
	}
	if _, ok := Refused(nil); ok {
		t.Error("no error is a refusal")
	}
}

// An answer that comes as soon as the request has is read to its end, however often.
func TestAnEarlyAnswerIsRead(t *testing.T) {
	f := newFake(t, func(int) answer { return answer{body: `{"taskArns":["` + strings.Repeat("x", 40000) + `"]}`} })
	environment(t, map[string]string{"AWS_ENDPOINT_URL": f.url, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"})
	cfg := load(t)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	c := ecs.NewFromConfig(cfg)
	for range 1500 { // without the cure about one in 200 fails
		if _, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{}); err != nil {
			t.Fatal(err)
		}
	}
}

// A clock that is an hour behind is corrected by AWS's.
func TestWrongClock(t *testing.T) {
	f := newFake(t, func(n int) answer {
		a := answer{header: map[string]string{"Date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, body: "{}"}
		if n == 0 {
			a.status, a.body = 400, `{"__type":"InvalidSignatureException"}`
		}
		return a
	})
	cfg := aws.Config{Region: "eu-west-3", BaseEndpoint: &f.url, HTTPClient: httpClient(), Credentials: credentials.NewStaticCredentialsProvider("A", "B", "")}
	c := ssm.NewFromConfig(cfg)
	for range 2 {
		if _, err := c.GetParameter(context.Background(), &ssm.GetParameterInput{Name: aws.String("n")}); err != nil {
			t.Fatal(err)
		}
	}
	reqs, _ := f.asked()
	for i, r := range reqs {
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || (time.Until(at) > 50*time.Minute) != (i > 0) {
			t.Errorf("request %d is signed for %s", i, at)
		}
	}
}
