package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// partition is one part of AWS: the Regions of a prefix, and the ends of the
// names of its hosts.
type partition struct{ prefix, suffix, dual string }

// partitions as the SDK's endpoint rules have them; the last one takes the rest.
func partitions() []partition {
	return []partition{
		{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
		{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
		{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
		{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
		{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
		{"", "amazonaws.com", "api.aws"},
	}
}

// endpoint is where cfg's services are: as the settings say, or as AWS has it.
func endpoint(cfg aws.Config, s service) (string, error) {
	if given := Endpoint(cfg, s.id); given != "" {
		u, err := url.Parse(given)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return "", fmt.Errorf("endpoint %q: want a URL such as http://127.0.0.1:4566", given)
		}
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" // what is signed
		return u.String(), nil
	}
	if cfg.Region == "" {
		return "", errors.New("no AWS Region: set AWS_REGION")
	}
	if strings.Trim(cfg.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("AWS Region %q: not a name of a Region", cfg.Region)
	}
	return "https://" + host(s, cfg.Region, fips(cfg), dual(cfg)) + "/", nil
}

// host is the name of a service's host, by the SDK's endpoint rules.
func host(s service, region string, fips, dual bool) string {
	var p partition
	for _, p = range partitions() {
		if strings.HasPrefix(region, p.prefix) {
			break
		}
	}
	name := s.signing
	if fips && (dual || s.signing != "ssm" || !strings.HasPrefix(region, "us-gov-")) { // all of SSM there is FIPS
		name += "-fips"
	}
	// Most of Secrets Manager's hosts have both kinds of addresses by their usual names.
	both := s.signing == "secretsmanager" && (p.suffix == "amazonaws.com" || p.prefix == "cn-" && !fips)
	if dual && !both {
		return name + "." + region + "." + p.dual
	}
	return name + "." + region + "." + p.suffix
}

// Endpoint is the URL that cfg's settings name for a service, by the SDK's name
// of it, or for all; empty: AWS's own.
func Endpoint(cfg aws.Config, id string) string {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if url, found, err := s.GetServiceBaseEndpoint(context.Background(), id); found && err == nil {
				return url
			}
		}
	}
	return aws.ToString(cfg.BaseEndpoint)
}

func fips(cfg aws.Config) bool {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
		}); ok {
			if state, found, err := s.GetUseFIPSEndpoint(context.Background()); found && err == nil {
				return state == aws.FIPSEndpointStateEnabled
			}
		}
	}
	return false
}

func dual(cfg aws.Config) bool {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
		}); ok {
			if state, found, err := s.GetUseDualStackEndpoint(context.Background()); found && err == nil {
				return state == aws.DualStackEndpointStateEnabled
			}
		}
	}
	return false
}
