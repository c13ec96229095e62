// Package awssdk is how meshtask uses the AWS SDK: the settings that every client
// starts from, the HTTP client below them, and what an error of a service says. It
// makes no client of a service and no call; those who need one do.
//
// The versions of the SDK in go.mod are pinned: docs/adr/0016-the-sdks-clients.md
// says why.
package awssdk

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/smithy-go/logging"
)

// loadLimit bounds Load. It asks nobody but, with AWS_DEFAULTS_MODE=auto, the
// machine's metadata endpoint.
const loadLimit = 5 * time.Second

// Load finds the SDK's settings where the SDK finds them: AWS_ variables of our own
// environment, and the shared files. Credentials are fetched at the first call. The
// clients made of it follow no redirect and bound what they read.
func Load(ctx context.Context) (aws.Config, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	client := httpClient()
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(client),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = client }),
		config.WithLogger(logging.Nop{})) // it would write to standard error past our log
	if err != nil {
		return aws.Config{}, fmt.Errorf("AWS settings: %w", err)
	}
	cfg.HTTPClient = Bound(cfg.HTTPClient)
	return cfg, nil
}

// Endpoint is the URL that the settings name for a service, by the SDK's name of it
// (AWS_ENDPOINT_URL_STS for "STS"), or for all; empty: AWS's own. It is for requests
// that no client of the SDK makes.
func Endpoint(ctx context.Context, cfg aws.Config, service string) string {
	if ignore, found, err := config.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources); found && ignore && err == nil {
		return ""
	}
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if url, found, err := s.GetServiceBaseEndpoint(ctx, service); found && err == nil {
				return url
			}
		}
	}
	return aws.ToString(cfg.BaseEndpoint)
}
