package awsapi

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
)

// renewBefore is how long before its end a role's session is renewed.
const renewBefore = 5 * time.Minute

// credentials finds who we are, in the SDK's order: variables, the profile, the
// task's role, the machine's role.
func (s *settings) credentials() (aws.CredentialsProvider, error) {
	key, secret := first(s.env("AWS_ACCESS_KEY_ID"), s.env("AWS_ACCESS_KEY")), first(s.env("AWS_SECRET_ACCESS_KEY"), s.env("AWS_SECRET_KEY"))
	if key != "" && secret != "" {
		return credentials.NewStaticCredentialsProvider(key, secret, s.env("AWS_SESSION_TOKEN")), nil
	}
	if s.env("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		return nil, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is not supported: give the task a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	p := s.profile.keys
	for _, other := range []string{"role_arn", "source_profile", "credential_source", "web_identity_token_file", "sso_session", "sso_start_url", "login_session"} {
		if p[other] != "" {
			return nil, fmt.Errorf("AWS profile %s: %s is not supported: set credential_process = aws configure export-credentials --profile NAME in a profile of its own", s.profile.name, other)
		}
	}
	switch {
	case p["aws_access_key_id"] != "" && p["aws_secret_access_key"] != "":
		return credentials.NewStaticCredentialsProvider(p["aws_access_key_id"], p["aws_secret_access_key"], p["aws_session_token"]), nil
	case p["credential_process"] != "":
		return aws.NewCredentialsCache(processcreds.NewProvider(p["credential_process"])), nil
	case s.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return s.container("http://169.254.170.2" + s.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")), nil
	case s.env("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		uri := s.env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
		if err := trusted(uri); err != nil {
			return nil, fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI: %w", err)
		}
		return s.container(uri), nil
	}
	return aws.NewCredentialsCache(ec2rolecreds.New(), renewEarly), nil
}

func renewEarly(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore }

// container asks the task's credentials endpoint.
func (s *settings) container(uri string) aws.CredentialsProvider {
	return aws.NewCredentialsCache(endpointcreds.New(uri, func(o *endpointcreds.Options) {
		o.AuthorizationToken = s.env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if path := s.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				token, err := os.ReadFile(path) // each time: it is replaced while we run
				return string(token), err
			})
		}
	}), renewEarly)
}

// trusted refuses to take credentials in the clear from other than this machine
// and the addresses of ECS and EKS.
func trusted(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("not a URL")
	case u.Scheme == "https":
		return nil
	}
	addrs := []string{u.Hostname()}
	if net.ParseIP(u.Hostname()) == nil {
		if addrs, err = net.LookupHost(u.Hostname()); err != nil {
			return err
		}
	}
	for _, a := range addrs {
		ip := net.ParseIP(a)
		if !ip.IsLoopback() && a != "169.254.170.2" && a != "169.254.170.23" && a != "fd00:ec2::23" {
			return fmt.Errorf("%s is neither loopback nor an address of ECS or EKS: use https", a)
		}
	}
	return nil
}
