package iam_test

import (
	"bytes"
	"context"
	"encoding/base64"
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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"meshtask/acl/iam"
	"meshtask/internal/awsfake"
)

const (
	accessor = "7bd1d8a2-1111-4222-8333-444455556666"
	secretID = "0c7d2b60-aaaa-4bbb-8ccc-ddddeeeeffff"
)

// consul is as much of a Consul server as a login needs: it sends the signed
// requests of the proof, as they are, and believes AWS.
type consul struct {
	t    *testing.T
	aws  *awsfake.IAM
	mu   sync.Mutex
	seen []login
	// selfMisses and logoutMisses are the answers that fail first.
	selfMisses, logoutMisses int
	logoutAnswer             string
	stale                    bool
	loggedOut                bool
}

type login struct {
	method, proof string
	meta          map[string]string
	arn, role     string
}

func (c *consul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/acl/login":
		var in struct {
			AuthMethod, BearerToken string
			Meta                    map[string]string
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		l := login{method: in.AuthMethod, proof: in.BearerToken, meta: in.Meta}
		err := c.believe(&l)
		c.seen = append(c.seen, l)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"AccessorID":%q,"SecretID":%q}`, accessor, secretID)
	case "/v1/acl/token/self":
		_, c.stale = r.URL.Query()["stale"]
		if r.Header.Get("X-Consul-Token") != secretID || c.selfMisses > 0 {
			c.selfMisses--
			http.Error(w, "ACL not found", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"AccessorID":%q}`, accessor)
	case "/v1/acl/logout":
		if c.logoutMisses > 0 {
			c.logoutMisses--
			http.Error(w, c.logoutAnswer, http.StatusInternalServerError)
			return
		}
		if c.loggedOut {
			http.Error(w, "rpc error: ACL not found", http.StatusForbidden)
			return
		}
		c.loggedOut = r.Header.Get("X-Consul-Token") == secretID
	default:
		http.NotFound(w, r)
	}
}

// believe does what the aws-iam method does with a proof.
func (c *consul) believe(l *login) error {
	var p struct {
		Method  string `json:"iam_http_request_method"`
		URL     []byte `json:"iam_request_url"`
		Headers []byte `json:"iam_request_headers"`
		Body    []byte `json:"iam_request_body"`
	}
	if err := json.Unmarshal([]byte(l.proof), &p); err != nil {
		return err
	}
	var header http.Header
	if err := json.Unmarshal(p.Headers, &header); err != nil {
		return err
	}
	for k := range header {
		switch {
		case !strings.HasPrefix(k, "X-Amz-"), k == "X-Amz-Date", k == "X-Amz-Security-Token", k == "X-Amz-Content-Sha256":
		default:
			return fmt.Errorf("invalid request header: %s", k)
		}
	}
	text, err := c.send(p.Method, string(p.URL), string(p.Body), header)
	if err != nil {
		return err
	}
	l.arn = between(text, "<Arn>", "</Arn>")
	get := func(name string) string { return header.Get("X-Consul-IAM-GetEntity-" + name) }
	if get("URL") == "" {
		return nil
	}
	var entity http.Header
	if err := json.Unmarshal([]byte(get("Headers")), &entity); err != nil {
		return err
	}
	if text, err = c.send(get("Method"), get("URL"), get("Body"), entity); err != nil {
		return err
	}
	l.role = between(text, "<Arn>", "</Arn>")
	return nil
}

func (c *consul) send(method, url, body string, header http.Header) (string, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("received error code %d: %s", resp.StatusCode, text)
	}
	return string(text), err
}

func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

func keys() aws.Credentials {
	return aws.Credentials{AccessKeyID: "ASIATEST", SecretAccessKey: "not-a-secret", SessionToken: "session-token"}
}

// start plays Consul and AWS for a role web-task and returns a client's config.
func start(t *testing.T) (*consul, iam.Config) {
	t.Helper()
	c := &consul{t: t, aws: awsfake.NewIAM(t.Cleanup, awsfake.Role{Name: "web-task", Path: "/consul-ecs/", Keys: keys()})}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	k := keys()
	return c, iam.Config{
		Server: s.URL, TaskID: "task-1", Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/prod", Entity: true,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken),
		Region:      "us-east-1", STSEndpoint: c.aws.URL, IAMEndpoint: c.aws.URL,
	}
}

func client(t *testing.T, cfg iam.Config) *iam.Client {
	t.Helper()
	c, err := iam.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestLoginProvesTheRole(t *testing.T) {
	for name, entity := range map[string]bool{"identity alone": false, "with the role's details": true} {
		t.Run(name, func(t *testing.T) {
			c, cfg := start(t)
			cfg.Entity = entity
			cfg.Meta = map[string]string{"team": "shop", "consul.hashicorp.com/task-id": "forged"}
			got, err := client(t, cfg).Login(within(t, 20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessorID != accessor || got.SecretID.Reveal() != secretID {
				t.Errorf("got token %+v", got)
			}
			l := c.seen[0]
			if l.method != "iam-ecs-service-token" {
				t.Errorf("auth method %q", l.method)
			}
			if want := "arn:aws:sts::123456789012:assumed-role/web-task/session"; l.arn != want {
				t.Errorf("STS vouched for %q, want %q", l.arn, want)
			}
			want := ""
			if entity {
				want = "arn:aws:iam::123456789012:role/consul-ecs/web-task"
			}
			if l.role != want {
				t.Errorf("IAM vouched for %q, want %q", l.role, want)
			}
			for k, v := range map[string]string{"team": "shop", "consul.hashicorp.com/task-id": "task-1",
				"consul.hashicorp.com/cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/prod"} {
				if l.meta[k] != v {
					t.Errorf("meta %s is %q, want %q", k, l.meta[k], v)
				}
			}
			if cfg.Meta["consul.hashicorp.com/task-id"] != "forged" {
				t.Error("the caller's map was changed")
			}
		})
	}
}

func TestServerIDIsSignedInBothRequests(t *testing.T) {
	c, cfg := start(t)
	cfg.ServerID = "consul.example.com"
	if _, err := client(t, cfg).Login(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	var p struct {
		Headers string `json:"iam_request_headers"`
	}
	if err := json.Unmarshal([]byte(c.seen[0].proof), &p); err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(p.Headers)
	if err != nil {
		t.Fatal(err)
	}
	var header, entity http.Header
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(header.Get("X-Consul-IAM-GetEntity-Headers")), &entity); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Header{"sts": header, "iam": entity} {
		if got := h.Get("X-Consul-IAM-ServerID"); got != cfg.ServerID {
			t.Errorf("%s: server ID %q", name, got)
		}
		if !strings.Contains(h.Get("Authorization"), "x-consul-iam-serverid") {
			t.Errorf("%s: the server ID is not signed: %s", name, h.Get("Authorization"))
		}
	}
}

func TestLoginTriesAgainWithAFreshProof(t *testing.T) {
	c, cfg := start(t)
	cfg.Entity = false
	c.aws.Refuse(1)
	signed := 0
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		signed++ // task roles' keys change every few hours
		return keys(), nil
	})
	var waits []string
	cfg.Waiting = func(what, last, hint string) { waits = append(waits, what+"|"+last+"|"+hint) }
	if _, err := client(t, cfg).Login(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if len(c.seen) != 2 || signed != 2 {
		t.Fatalf("%d attempts, signed %d times, want 2", len(c.seen), signed)
	}
	if len(waits) < 2 || !strings.Contains(waits[0], "AccessDenied") || waits[len(waits)-1] != "||" {
		t.Errorf("said while waiting: %q", waits)
	}
}

func TestLoginWaitsForReplication(t *testing.T) {
	c, cfg := start(t)
	c.selfMisses = 3
	if _, err := client(t, cfg).Login(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if c.selfMisses != 0 || !c.stale {
		t.Errorf("%d misses left, stale read %v", c.selfMisses, c.stale)
	}
}

// The last answer is what the operator needs, not "context deadline exceeded",
// and no answer shows what was sent.
func TestLoginGivesUpWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*consul, *iam.Config)
		says   string
	}{
		"unknown keys": {func(_ *consul, cfg *iam.Config) {
			cfg.Credentials = credentials.NewStaticCredentialsProvider("ASIAOTHER", "x", "")
		}, "InvalidClientTokenId"},
		"wrong secret": {func(_ *consul, cfg *iam.Config) {
			cfg.Credentials = credentials.NewStaticCredentialsProvider("ASIATEST", "wrong", "session-token")
		}, "SignatureDoesNotMatch"},
		"no credentials": {func(_ *consul, cfg *iam.Config) {
			cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("no task role")
			})
		}, "no task role"},
		"never replicated": {func(c *consul, _ *iam.Config) { c.selfMisses = 1 << 20 }, "ACL not found"},
	} {
		t.Run(name, func(t *testing.T) {
			con, cfg := start(t)
			c.change(con, &cfg)
			ctx := within(t, 700*time.Millisecond) // two attempts or more
			_, err := client(t, cfg).Login(ctx)
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v, want %q and the deadline", err, c.says)
			}
			for _, never := range []string{secretID, "not-a-secret", "session-token", "iam_request"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("the error shows %q: %v", never, err)
				}
			}
		})
	}
}

func TestLogout(t *testing.T) {
	c, cfg := start(t)
	cl := client(t, cfg)
	token, err := cl.Login(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	c.logoutMisses, c.logoutAnswer = 1, "no leader"
	if err := cl.Logout(within(t, 20*time.Second), token); err != nil || !c.loggedOut {
		t.Fatalf("logged out %v: %v", c.loggedOut, err)
	}
	if err := cl.Logout(within(t, 20*time.Second), token); err != nil {
		t.Errorf("a token that is gone: %v", err)
	}
	c.logoutMisses = 1 << 20
	if err := cl.Logout(within(t, 300*time.Millisecond), token); err == nil || !strings.Contains(err.Error(), "no leader") {
		t.Errorf("a server without leader: %v", err)
	}
}

func TestNewNamesAllThatIsMissing(t *testing.T) {
	_, err := iam.New(iam.Config{CAPEM: []byte("no certificate")})
	for _, want := range []string{"address", "credentials", "Region", "CA certificate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
