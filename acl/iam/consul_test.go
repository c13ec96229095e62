package iam_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"meshtask/acl/iam"
	"meshtask/internal/testbed/awsfake"
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
	calls                    []string // method, path, partition/namespace
}

type login struct {
	method, proof string
	meta          map[string]string
	arn, role     string
}

func (c *consul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := r.URL.Query()
	c.calls = append(c.calls, r.Method+" "+r.URL.Path+" "+cmp.Or(q.Get("partition"), "-")+"/"+cmp.Or(q.Get("ns"), "-"))
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
