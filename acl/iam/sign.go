package iam

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Header names of Consul's own. Its servers look them up in canonical form, in
// the JSON as well: http.Header.Set writes it.
const (
	headerServerID = "X-Consul-IAM-ServerID"
	headerMethod   = "X-Consul-IAM-GetEntity-Method"
	headerURL      = "X-Consul-IAM-GetEntity-URL"
	headerHeaders  = "X-Consul-IAM-GetEntity-Headers"
	headerBody     = "X-Consul-IAM-GetEntity-Body"
)

const (
	bodyCallerIdentity = "Action=GetCallerIdentity&Version=2011-06-15"
	bodyRole           = "Action=GetRole&RoleName=%s&Version=2010-05-08"
)

// endpoint is where a request goes and for which Region it is signed.
type endpoint struct{ url, service, region string }

// stsEndpoint is given, or the Region's own.
func stsEndpoint(given, region string) endpoint {
	if given == "" {
		given = "https://sts." + region + "." + domain(region)
	}
	return endpoint{slash(given), "sts", region}
}

// iamEndpoint is given, or the one of the Region's partition: IAM has one
// endpoint in a partition, and signs for one Region of it.
func iamEndpoint(given, region string) endpoint {
	host, signs := "iam.amazonaws.com", "us-east-1"
	switch {
	case strings.HasPrefix(region, "cn-"):
		host, signs = "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"
	case strings.HasPrefix(region, "us-gov-"):
		host, signs = "iam.us-gov.amazonaws.com", "us-gov-west-1"
	}
	if given == "" {
		given = "https://" + host
	}
	return endpoint{slash(given), "iam", signs}
}

func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// slash gives a URL without a path the root path, which is what is signed.
func slash(s string) string {
	if u, err := url.Parse(s); err == nil && u.Path == "" {
		return s + "/"
	}
	return s
}

// sign makes a signed POST that is good for some 15 minutes.
func sign(ctx context.Context, creds aws.Credentials, to endpoint, body string, header http.Header, now time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, fmt.Errorf("%s endpoint: %w", to.service, err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), to.service, to.region, now); err != nil {
		return nil, fmt.Errorf("sign %s request: %w", to.service, err)
	}
	return req, nil
}

// bearer is the login's proof: the signed GetCallerIdentity request, and in its
// headers, signed with it, the signed GetRole one when role is not empty.
func bearer(ctx context.Context, creds aws.Credentials, c Config, role string, now time.Time) (string, error) {
	header := http.Header{}
	if c.ServerID != "" {
		header.Set(headerServerID, c.ServerID)
	}
	if role != "" {
		body := fmt.Sprintf(bodyRole, url.QueryEscape(role))
		req, err := sign(ctx, creds, iamEndpoint(c.IAMEndpoint, c.Region), body, header, now)
		if err != nil {
			return "", err
		}
		text, err := json.Marshal(req.Header)
		if err != nil {
			return "", fmt.Errorf("headers of the iam request: %w", err)
		}
		header = header.Clone()
		for k, v := range map[string]string{headerMethod: req.Method, headerURL: req.URL.String(), headerHeaders: string(text), headerBody: body} {
			header.Set(k, v)
		}
	}
	req, err := sign(ctx, creds, stsEndpoint(c.STSEndpoint, c.Region), bodyCallerIdentity, header, now)
	if err != nil {
		return "", err
	}
	headers, err := json.Marshal(req.Header)
	if err != nil {
		return "", fmt.Errorf("headers of the sts request: %w", err)
	}
	proof, err := json.Marshal(map[string]string{
		"iam_http_request_method": req.Method,
		"iam_request_url":         base64.StdEncoding.EncodeToString([]byte(req.URL.String())),
		"iam_request_headers":     base64.StdEncoding.EncodeToString(headers),
		"iam_request_body":        base64.StdEncoding.EncodeToString([]byte(bodyCallerIdentity)),
	})
	if err != nil {
		return "", fmt.Errorf("login proof: %w", err)
	}
	return string(proof), nil
}
