package iam_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"meshtask/acl/iam"
	"meshtask/internal/event"
)

func TestLoginProvesTheRole(t *testing.T) {
	for name, entity := range map[string]bool{"identity alone": false, "with the role's details": true} {
		t.Run(name, func(t *testing.T) {
			c, cfg := start(t)
			cfg.Entity = entity
			cfg.Meta = map[string]string{"team": "shop", "consul.hashicorp.com/task-id": "forged"}
			got, err := client(t, cfg).Login(t.Context(), 20*time.Second)
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

// On Enterprise the auth method is in the default namespace of the partition,
// and its rules say in which namespace the token is; so consul-ecs v0.6 names
// the partition at the login, and nothing at all after it.
func TestLoginRequestsOnEnterprise(t *testing.T) {
	c, cfg := start(t)
	cfg.Partition = "eu"
	cl := client(t, cfg)
	token, err := cl.Login(t.Context(), 20*time.Second)
	if err == nil {
		err = cl.Logout(t.Context(), token, 20*time.Second)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"POST /v1/acl/login eu/-", "GET /v1/acl/token/self -/-", "POST /v1/acl/logout -/-"}
	if !slices.Equal(c.calls, want) {
		t.Errorf("requests %q, want %q", c.calls, want)
	}
}

func TestServerIDIsSignedInBothRequests(t *testing.T) {
	c, cfg := start(t)
	cfg.ServerID = "consul.example.com"
	if _, err := client(t, cfg).Login(t.Context(), 20*time.Second); err != nil {
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
	var told []event.Event
	cfg.Report = func(e event.Event) { told = append(told, e) }
	if _, err := client(t, cfg).Login(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if len(c.seen) != 2 || signed != 2 {
		t.Fatalf("%d attempts, signed %d times, want 2", len(c.seen), signed)
	}
	first, _ := told[0].(event.Waiting)
	if !strings.Contains(first.Err, "AccessDenied") || first.Code != event.LoginRefused || first.Facts["server"] != cfg.Server || first.Fix == "" {
		t.Errorf("it waits for %+v", first)
	}
	if _, over := told[len(told)-1].(event.WaitOver); !over {
		t.Errorf("it reported %v, and not the end", told)
	}
}

func TestLoginWaitsForReplication(t *testing.T) {
	c, cfg := start(t)
	c.selfMisses = 3
	if _, err := client(t, cfg).Login(t.Context(), 20*time.Second); err != nil {
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
		code   event.Code
	}{
		"unknown keys": {func(_ *consul, cfg *iam.Config) {
			cfg.Credentials = credentials.NewStaticCredentialsProvider("ASIAOTHER", "x", "")
		}, "InvalidClientTokenId", event.Login},
		"wrong secret": {func(_ *consul, cfg *iam.Config) {
			cfg.Credentials = credentials.NewStaticCredentialsProvider("ASIATEST", "wrong", "session-token")
		}, "SignatureDoesNotMatch", event.Login},
		"no credentials": {func(_ *consul, cfg *iam.Config) {
			cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("no task role")
			})
		}, "no task role", event.LoginRole},
		"never replicated": {func(c *consul, _ *iam.Config) { c.selfMisses = 1 << 20 }, "ACL not found", event.LoginRefused},
	} {
		t.Run(name, func(t *testing.T) {
			con, cfg := start(t)
			c.change(con, &cfg)
			_, err := client(t, cfg).Login(t.Context(), 700*time.Millisecond) // two attempts or more
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "deadline") {
				t.Fatalf("got %v, want %q", err, c.says)
			}
			if cause := event.CauseOf(err); cause == nil || cause.Code != c.code || cause.Facts["server"] != cfg.Server {
				t.Errorf("the cause of %v is %+v, want %s", err, cause, c.code)
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
	token, err := cl.Login(t.Context(), 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.logoutMisses, c.logoutAnswer = 1, "no leader"
	if err := cl.Logout(t.Context(), token, 20*time.Second); err != nil || !c.loggedOut {
		t.Fatalf("logged out %v: %v", c.loggedOut, err)
	}
	if err := cl.Logout(t.Context(), token, 20*time.Second); err != nil {
		t.Errorf("a token that is gone: %v", err)
	}
	c.logoutMisses = 1 << 20
	if err := cl.Logout(t.Context(), token, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no leader") {
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
	if _, err := iam.New(iam.Config{Region: "evil.example/"}); err == nil || !strings.Contains(err.Error(), `"evil.example/"`) {
		t.Errorf("a Region that is a host: %v", err)
	}
}

// The servers' certificates may carry another name than the address.
func TestServerName(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Permission denied", http.StatusForbidden)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake is refused on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, want := range map[string]string{"": "Permission denied", "example.com": "Permission denied", "other.example.org": "certificate is valid for"} {
		c, err := iam.New(iam.Config{Server: server.URL, CAPEM: ca, ServerName: name, TaskID: "t", Cluster: "arn:aws:ecs:us-east-1:1:cluster/c", Region: "us-east-1",
			Credentials: credentials.NewStaticCredentialsProvider("AKIA", "s", "")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Login(t.Context(), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("server name %q: %v, want %q", name, err, want)
		}
		c.Close()
	}
}
