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
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"meshtask/internal/awssdk"
	"meshtask/internal/event"
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

// stsEndpoint is given, or the Region's own, by the SDK's rules.
func stsEndpoint(ctx context.Context, given, region string) (endpoint, error) {
	if given == "" {
		own, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: &region})
		if err != nil {
			return endpoint{}, fmt.Errorf("endpoint of STS in %s: %w", region, err)
		}
		given = own.URI.String()
	}
	return endpoint{slash(given), "sts", region}, nil
}

// iamEndpoint is given, or the one of the Region's partition: IAM has one
// endpoint in a partition, and signs for one Region of it. (The SDK's rules for
// it are in a client that nothing else needs.)
func iamEndpoint(given, region string) endpoint {
	host, signs := "iam.amazonaws.com", "us-east-1"
	for _, p := range []struct{ regions, host, signs string }{
		{"cn-", "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		{"us-gov-", "iam.us-gov.amazonaws.com", "us-gov-west-1"},
		{"us-iso-", "iam.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
		{"us-isob-", "iam.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
		{"us-isof-", "iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"},
		{"eu-isoe-", "iam.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"},
		{"eusc-", "iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
	} {
		if strings.HasPrefix(region, p.regions) {
			host, signs = p.host, p.signs
		}
	}
	if given == "" {
		given = "https://" + host
	}
	return endpoint{slash(given), "iam", signs}
}

// slash gives a URL without a path the root path, which is what is signed.
func slash(s string) string {
	if u, err := url.Parse(s); err == nil && u.Path == "" {
		return s + "/"
	}
	return s
}

// sign makes a signed POST that is good for some 15 minutes. It is not sent by us,
// so no client of the SDK makes it.
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

// ownRole asks STS who we are: the name of the role whose credentials creds
// are. Only the role's own name is in the answer, never its path.
func ownRole(ctx context.Context, client aws.HTTPClient, creds aws.Credentials, c Config) (string, error) {
	o := sts.Options{Region: c.Region, HTTPClient: awssdk.Bound(client), Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })}
	if c.STSEndpoint != "" {
		o.BaseEndpoint = &c.STSEndpoint
	}
	answer, err := sts.New(o).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("sts GetCallerIdentity: %w", err)
	}
	return roleOf(aws.ToString(answer.Arn))
}

// roleOf is the role in arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
func roleOf(arn string) (string, error) {
	_, rest, ok := strings.Cut(arn, ":assumed-role/")
	role, session, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || role == "" || session == "" {
		return "", event.Because(event.LoginRole, fmt.Errorf("sts says that we are %q, which is not an assumed role: give the task a task role (taskRoleArn)", arn))
	}
	return role, nil
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
	to, err := stsEndpoint(ctx, c.STSEndpoint, c.Region)
	if err != nil {
		return "", err
	}
	req, err := sign(ctx, creds, to, bodyCallerIdentity, header, now)
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
