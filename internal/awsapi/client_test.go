package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// answer is what the fake says to one request; status 0: 200.
type answer struct {
	status int
	header map[string]string
	body   string
}

// fake answers the nth request, from 0, by say.
type fake struct {
	url string
	say func(n int) answer

	mu   sync.Mutex
	reqs []*http.Request
}

func newFake(t *testing.T, say func(n int) answer) *fake {
	f := &fake{say: say}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	a := f.say(len(f.reqs))
	f.reqs = append(f.reqs, r)
	f.mu.Unlock()
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(max(a.status, 200))
	_, _ = io.WriteString(w, a.body)
}

func (f *fake) asked() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reqs
}

// Do is an HTTP client of the fake without a network, for tests in fake time.
func (f *fake) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

func (f *fake) config() aws.Config {
	return aws.Config{Region: "eu-west-3", BaseEndpoint: aws.String("http://fake.example"), HTTPClient: f,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "S", "session")}
}

func TestRequest(t *testing.T) {
	f := &fake{say: func(int) answer { return answer{body: `{"taskArns":["a"],"nextToken":"n","more":{}}`} }}
	out, err := NewECS(f.config()).ListTasks(t.Context(), ListTasksInput{Cluster: "c"})
	if err != nil || fmt.Sprint(*out) != "{n [a]}" {
		t.Errorf("got %v, %v", out, err)
	}
	r := f.asked()[0]
	if r.Method != "POST" || r.URL.Path != "/" || r.Header.Get("X-Amz-Target") != "AmazonEC2ContainerServiceV20141113.ListTasks" ||
		!strings.Contains(r.Header.Get("Authorization"), "/eu-west-3/ecs/aws4_request") || r.Header.Get("X-Amz-Security-Token") != "session" {
		t.Errorf("asked %s %s %v", r.Method, r.URL, r.Header)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		answer                 answer
		code, says             string
		throttled, serverFault bool
	}{
		"body":       {answer{status: 400, body: `{"__type":"AccessDeniedException","Message":"no"}`}, "AccessDeniedException", "no", false, false},
		"namespace":  {answer{status: 400, body: `{"__type":"com.amazonaws.ecs#ThrottlingException:http://x/","message":"slow"}`}, "ThrottlingException", "slow", true, false},
		"header":     {answer{status: 500, header: map[string]string{"X-Amzn-ErrorType": "ServerException", "X-Amzn-RequestId": "r1"}, body: "{}"}, "ServerException", "r1", false, true},
		"by code":    {answer{status: 400, body: `{"__type":"InternalServiceError"}`}, "InternalServiceError", "", false, true},
		"proxy":      {answer{status: 503, body: "<html>"}, "", "HTTP 503", false, false},
		"not found":  {answer{status: 404}, "", "HTTP 404", false, false},
		"not a JSON": {answer{body: "<html>"}, "", "not understood", false, false},
		"endless":    {answer{body: strings.Repeat(" ", maxAnswer+1)}, "", "more than", false, false},
	} {
		f := &fake{say: func(int) answer { return c.answer }}
		cfg := f.config()
		cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
		_, err := NewSSM(cfg).GetParameter(t.Context(), GetParameterInput{Name: "n"})
		e, ok := errors.AsType[*Error](err)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "ssm:GetParameter: ") || ok != (c.code != "") {
			t.Errorf("%s: got %v", name, err)
		}
		if ok && (e.Code != c.code || e.Throttled() != c.throttled || e.ServerFault() != c.serverFault || e.Status != c.answer.status || !Is(err, c.code)) {
			t.Errorf("%s: got %+v", name, e)
		}
		if n := len(f.asked()); n != 1 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
}

func TestRetries(t *testing.T) {
	throttled := answer{status: 400, body: `{"__type":"ThrottlingException"}`}
	for name, c := range map[string]struct {
		answers []answer
		change  func(*aws.Config)
		asked   int
		fails   bool
	}{
		"throttled once":  {[]answer{throttled, {body: "{}"}}, nil, 2, false},
		"always":          {[]answer{throttled}, nil, 3, true},
		"as often as set": {[]answer{throttled}, func(c *aws.Config) { c.RetryMaxAttempts = 5 }, 5, true},
		"a page":          {[]answer{{status: 502, body: "<html>"}, {body: "{}"}}, nil, 2, false},
		"denied":          {[]answer{{status: 400, body: `{"__type":"AccessDeniedException"}`}}, nil, 1, true},
		"never":           {[]answer{throttled}, func(c *aws.Config) { c.Retryer = func() aws.Retryer { return aws.NopRetryer{} } }, 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{say: func(n int) answer { return c.answers[min(n, len(c.answers)-1)] }}
			cfg := f.config()
			if c.change != nil {
				c.change(&cfg)
			}
			err := NewSecretsManager(cfg).CreateSecret(t.Context(), CreateSecretInput{Name: "n"})
			if n := len(f.asked()); n != c.asked || (err != nil) != c.fails {
				t.Errorf("%s: asked %d times, %v", name, n, err)
			}
		})
	}
}

// A clock that is an hour behind is corrected by AWS's, at once and for later.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := func() time.Time { return time.Now().Add(time.Hour) }
		f := &fake{say: func(n int) answer {
			a := answer{header: map[string]string{"Date": theirs().UTC().Format(http.TimeFormat)}, body: "{}"}
			if n == 0 {
				a.status, a.body = 400, `{"__type":"InvalidSignatureException"}`
			}
			return a
		}}
		c := NewSSM(f.config())
		for range 2 {
			if _, err := c.GetParameter(t.Context(), GetParameterInput{Name: "n"}); err != nil {
				t.Fatal(err)
			}
		}
		for i, r := range f.asked() {
			at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			if err != nil || (theirs().Sub(at) < time.Minute) != (i > 0) {
				t.Errorf("request %d is signed for %s, AWS has %s", i, at, theirs())
			}
		}
		if n := len(f.asked()); n != 3 {
			t.Errorf("asked %d times", n)
		}
	})
}

// slow answers when its request is over.
type slow struct{ asked int }

func (s *slow) Do(r *http.Request) (*http.Response, error) {
	s.asked++
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTimeLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limit time.Duration
		asked int
		took  time.Duration
	}{
		"the caller's": {time.Second, 1, time.Second},
		"our own":      {time.Hour, 3, 3 * attemptLimit},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, cfg := &slow{}, (&fake{}).config()
			cfg.HTTPClient = s
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			begin := time.Now()
			_, err := NewSSM(cfg).GetParameter(ctx, GetParameterInput{Name: "n"})
			took := time.Since(begin)
			if !errors.Is(err, context.DeadlineExceeded) || s.asked != c.asked || took < c.took || took > c.took+time.Minute {
				t.Errorf("%s: %v after %v and %d attempts", name, err, took, s.asked)
			}
		})
	}
}
