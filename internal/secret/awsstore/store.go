// Package awsstore reads secrets from AWS Secrets Manager and from SSM
// parameters, with the credentials and settings that the SDK finds. It knows
// what AWS's errors mean for a reference; it neither waits nor retries, which
// package secret does.
package awsstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"meshtask/internal/awssdk"
	"meshtask/internal/event"
	"meshtask/internal/secret"
)

// The IAM actions that reading takes.
const (
	getSecret    = "secretsmanager:GetSecretValue"
	getParameter = "ssm:GetParameter"
	decrypt      = "kms:Decrypt"
)

// Store reads secrets. The zero value is ready: nothing of the SDK is set up
// before the first Get, and then only what it needs. It is safe for concurrent
// use and must not be copied.
type Store struct {
	mu         sync.Mutex
	base       *aws.Config                       // nil: not loaded yet
	secrets    map[string]*secretsmanager.Client // by region
	parameters map[string]*ssm.Client
}

var _ secret.Store = (*Store)(nil)

// Get reads the secret or parameter of ref once, in the region of its ARN.
func (s *Store) Get(ctx context.Context, ref secret.Ref) (value secret.String, err error) {
	switch ref.Kind {
	case secret.SecretsManager:
		value, err = s.secret(ctx, ref)
	case secret.SSM:
		value, err = s.parameter(ctx, ref)
	default:
		err = &secret.Refused{Reason: "not an ARN"}
	}
	if err == nil || errors.Is(err, secret.ErrNotYet) {
		return value, err
	}
	if _, answered := awssdk.Refused(err); answered {
		return "", err
	}
	if _, refused := errors.AsType[*secret.Refused](err); !refused && s.poor(ctx) {
		return "", fmt.Errorf("%w: %w", secret.ErrNoCredentials, err)
	}
	return "", err
}

// poor says whether there are no credentials: the SDK has no error of its own for that.
func (s *Store) poor(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base == nil || s.base.Credentials == nil {
		return false
	}
	_, err := s.base.Credentials.Retrieve(ctx)
	return err != nil && ctx.Err() == nil
}

func (s *Store) secret(ctx context.Context, ref secret.Ref) (secret.String, error) {
	c, err := inRegion(ctx, s, &s.secrets, ref.Region, func(cfg aws.Config) *secretsmanager.Client { return secretsmanager.NewFromConfig(cfg) })
	if err != nil {
		return "", err
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: &ref.ARN}
	if ref.Version != "" {
		in.VersionId = &ref.Version
	}
	if ref.Stage != "" {
		in.VersionStage = &ref.Stage
	}
	out, err := c.GetSecretValue(ctx, in)
	if err != nil {
		return "", classify(err, getSecret)
	}
	if out.SecretString == nil {
		return secret.String(out.SecretBinary), nil
	}
	return secret.String(*out.SecretString), nil
}

func (s *Store) parameter(ctx context.Context, ref secret.Ref) (secret.String, error) {
	c, err := inRegion(ctx, s, &s.parameters, ref.Region, func(cfg aws.Config) *ssm.Client { return ssm.NewFromConfig(cfg) })
	if err != nil {
		return "", err
	}
	out, err := c.GetParameter(ctx, &ssm.GetParameterInput{Name: &ref.ARN, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", classify(err, getParameter)
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return "", secret.ErrNotYet
	}
	return secret.String(*out.Parameter.Value), nil
}

// inRegion is the store's client of a service in a region, made at the first need.
func inRegion[C any](ctx context.Context, s *Store, clients *map[string]*C, region string, create func(aws.Config) *C) (*C, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base == nil {
		base, err := awssdk.Load(ctx)
		if err != nil {
			return nil, err
		}
		base.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
		s.base = &base
	}
	c := (*clients)[region]
	if c == nil {
		if *clients == nil {
			*clients = map[string]*C{}
		}
		cfg := s.base.Copy()
		cfg.Region = region
		c = create(cfg)
		(*clients)[region] = c
	}
	return c, nil
}

// classify says what an error of AWS means: a secret without a value, a
// refusal with the action that is missing, or an outage.
func classify(err error, action string) error {
	refusal, ok := awssdk.Refused(err)
	if !ok {
		return awssdk.Short(err)
	}
	code, text := refusal.Code, refusal.Message
	if code == "ResourceNotFoundException" && strings.Contains(text, "staging label") {
		return fmt.Errorf("it has no value: %w", secret.ErrNotYet)
	}
	if outage(refusal) {
		return err
	}
	why := event.SecretDenied
	switch {
	case strings.Contains(code, "KMS") || strings.Contains(text, "KMS") || strings.Contains(text, decrypt) || code == "DecryptionFailure" || code == "InvalidKeyId":
		why, action = event.SecretKMS, decrypt
	case code == "ResourceNotFoundException", code == "ParameterNotFound":
		why = event.SecretMissing
	}
	return &secret.Refused{Code: why, Reason: code + ": " + text, Action: action}
}

// outage says whether trying again is worth more than a few seconds.
func outage(r awssdk.Refusal) bool {
	switch r.Code {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "ServiceUnavailable":
		return true
	}
	return r.Throttled || r.ServerFault
}
