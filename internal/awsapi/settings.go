package awsapi

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// settings are the SDK's: of the environment, then of the profile in the shared
// files. Its methods are those that the SDK's own clients ask, so that a client
// takes a Config of Load as well as one of the SDK's config package.
type settings struct {
	env     func(name string) string
	profile profile
}

// Load finds the SDK's settings where the SDK finds them: AWS_ variables, and
// the profile AWS_PROFILE of the shared config and credentials files. It asks
// nobody; credentials are fetched at the first call. A profile that gets its
// credentials by SSO or by assuming a role is refused, with a way out.
func Load() (aws.Config, error) {
	// As the SDK does: whoever sets AWS_ variables speaks to it, past our configuration.
	return load(func(name string) string { v, _ := os.LookupEnv(name); return v })
}

func load(env func(string) string) (aws.Config, error) {
	p, err := readProfile(env)
	if err != nil {
		return aws.Config{}, err
	}
	s := &settings{env: env, profile: p}
	cfg := aws.Config{
		Region:        first(env("AWS_REGION"), env("AWS_DEFAULT_REGION"), p.keys["region"]),
		ConfigSources: []any{s},
	}
	if url := first(env("AWS_ENDPOINT_URL"), p.keys["endpoint_url"]); url != "" && !s.ignoreEndpoints() {
		cfg.BaseEndpoint = &url
	}
	if mode := s.get("AWS_RETRY_MODE", "retry_mode"); mode != "" {
		if cfg.RetryMode, err = aws.ParseRetryMode(mode); err != nil {
			return aws.Config{}, err
		}
	}
	if n := s.get("AWS_MAX_ATTEMPTS", "max_attempts"); n != "" {
		if cfg.RetryMaxAttempts, err = strconv.Atoi(n); err != nil || cfg.RetryMaxAttempts < 1 {
			return aws.Config{}, fmt.Errorf("AWS_MAX_ATTEMPTS: want a number from 1, got %q", n)
		}
	}
	if cfg.HTTPClient, err = s.httpClient(); err != nil {
		return aws.Config{}, err
	}
	if cfg.Credentials, err = s.credentials(); err != nil {
		return aws.Config{}, err
	}
	return cfg, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// get is a setting by its variable, else by its key in the profile.
func (s *settings) get(name, key string) string { return first(s.env(name), s.profile.keys[key]) }

func (s *settings) on(name, key string) bool { return strings.EqualFold(s.get(name, key), "true") }

func (s *settings) ignoreEndpoints() bool {
	return s.on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")
}

// httpClient trusts the bundle of AWS_CA_BUNDLE alone, when there is one.
func (s *settings) httpClient() (aws.HTTPClient, error) {
	client := awshttp.NewBuildableClient()
	path := s.get("AWS_CA_BUNDLE", "ca_bundle")
	if path == "" {
		return client, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: no PEM certificate in %s", path)
	}
	return client.WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig.RootCAs = pool }), nil
}

// GetServiceBaseEndpoint is a service's own endpoint: AWS_ENDPOINT_URL_ECS, or
// the profile's, unless AWS_ENDPOINT_URL stands before that.
func (s *settings) GetServiceBaseEndpoint(_ context.Context, id string) (url string, found bool, err error) {
	if s.ignoreEndpoints() {
		return "", false, nil
	}
	name := strings.ReplaceAll(id, " ", "_")
	if url = s.env("AWS_ENDPOINT_URL_" + strings.ToUpper(name)); url == "" && s.env("AWS_ENDPOINT_URL") == "" {
		url = s.profile.services[strings.ToLower(name)+".endpoint_url"]
	}
	return url, url != "", nil
}

// GetUseFIPSEndpoint is AWS_USE_FIPS_ENDPOINT.
func (s *settings) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if s.on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint") {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateDisabled, true, nil
}

// GetUseDualStackEndpoint is AWS_USE_DUALSTACK_ENDPOINT.
func (s *settings) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	if s.on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint") {
		return aws.DualStackEndpointStateEnabled, true, nil
	}
	return aws.DualStackEndpointStateDisabled, true, nil
}
