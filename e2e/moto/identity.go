package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// identity makes the two calls of a login by IAM, which Consul's servers send.
func (p *player) identity() {
	url, session := p.side.role("web-role", "/consul-ecs/", map[string]string{"service": "web"})
	var who struct {
		ARN  string `xml:"GetCallerIdentityResult>Arn"`
		User string `xml:"GetCallerIdentityResult>UserId"`
	}
	kind := post(p.t, url, "sts", session, form("Action", "GetCallerIdentity", "Version", "2011-06-15"), &who)
	unique, name, _ := strings.Cut(who.User, ":")
	p.say("sts:GetCallerIdentity", fmt.Sprintf("%s %s, a role's ID %v", who.ARN, name, strings.HasPrefix(unique, "AROA")))
	p.say("its type, which Consul looks at", kind)
	var role struct {
		ARN  string                        `xml:"GetRoleResult>Role>Arn"`
		Path string                        `xml:"GetRoleResult>Role>Path"`
		ID   string                        `xml:"GetRoleResult>Role>RoleId"`
		Name string                        `xml:"GetRoleResult>Role>RoleName"`
		Tags []struct{ Key, Value string } `xml:"GetRoleResult>Role>Tags>member"`
	}
	kind = post(p.t, url, "iam", session, form("Action", "GetRole", "RoleName", "web-role", "Version", "2010-05-08"), &role)
	p.say("iam:GetRole", fmt.Sprintf("%s %s %s %v, the caller's ID %v", role.ARN, role.Path, role.Name, role.Tags, role.ID == unique))
	p.say("its type", kind)
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for p := range slices.Chunk(pairs, 2) {
		v.Set(p[0], p[1])
	}
	return v
}

// post sends a signed call of a query API, and reads its answer into out. It
// returns the answer's type.
func post(t harness.T, to, service string, keys aws.Credentials, in url.Values, out any) string {
	text, header := send(t, to, service, keys, in.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if err := xml.Unmarshal(text, out); err != nil {
		t.Fatalf("%s %s: %v: %s", service, in.Get("Action"), err, text)
	}
	return strings.SplitN(header.Get("Content-Type"), ";", 2)[0]
}

// send makes one signed POST that must be answered with 200.
func send(t harness.T, to, service string, keys aws.Credentials, body string, header http.Header) ([]byte, http.Header) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to+"/", strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	req.Header = header
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), service, awsfake.Region, time.Now()); err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<22))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s (%v)", service, resp.StatusCode, text, err)
	}
	return text, resp.Header
}

func get(t harness.T, from string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<22))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d", from, resp.StatusCode)
	}
	return text, err
}
