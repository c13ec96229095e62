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

	"meshtask/internal/awsapi"
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
	loaded     bool
	base       aws.Config
	secrets    map[string]*awsapi.SecretsManager // by region
	parameters map[string]*awsapi.SSM
}

var _ secret.Store = (*Store)(nil)

// Get reads the secret or parameter of ref once, in the region of its ARN.
func (s *Store) Get(ctx context.Context, ref secret.Ref) (secret.String, error) {
	switch ref.Kind {
	case secret.SecretsManager:
		return s.secret(ctx, ref)
	case secret.SSM:
		return s.parameter(ctx, ref)
	}
	return "", &secret.Refused{Reason: "not an ARN"}
}

func (s *Store) secret(ctx context.Context, ref secret.Ref) (secret.String, error) {
	c, err := s.secretsClient(ref.Region)
	if err != nil {
		return "", err
	}
	out, err := c.GetSecretValue(ctx, awsapi.GetSecretValueInput{SecretID: ref.ARN, VersionID: ref.Version, VersionStage: ref.Stage})
	if err != nil {
		return "", classify(err, getSecret)
	}
	if out.SecretString == nil {
		return secret.String(out.SecretBinary), nil
	}
	return secret.String(*out.SecretString), nil
}

func (s *Store) parameter(ctx context.Context, ref secret.Ref) (secret.String, error) {
	c, err := s.parametersClient(ref.Region)
	if err != nil {
		return "", err
	}
	out, err := c.GetParameter(ctx, awsapi.GetParameterInput{Name: ref.ARN, WithDecryption: true})
	if err != nil {
		return "", classify(err, getParameter)
	}
	if out.Parameter == nil {
		return "", secret.ErrNotYet
	}
	return secret.String(out.Parameter.Value), nil
}

// load finds the SDK's settings, once. s.mu is held.
func (s *Store) load() error {
	if s.loaded {
		return nil
	}
	base, err := awsapi.Load()
	if err != nil {
		return fmt.Errorf("load the settings of the AWS SDK: %v", err)
	}
	base.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	s.base, s.loaded = base, true
	return nil
}

// in is the settings for one region.
func (s *Store) in(region string) aws.Config {
	cfg := s.base.Copy()
	cfg.Region = region
	return cfg
}

func (s *Store) secretsClient(region string) (*awsapi.SecretsManager, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return nil, err
	}
	c := s.secrets[region]
	if c == nil {
		if s.secrets == nil {
			s.secrets = map[string]*awsapi.SecretsManager{}
		}
		c = awsapi.NewSecretsManager(s.in(region))
		s.secrets[region] = c
	}
	return c, nil
}

func (s *Store) parametersClient(region string) (*awsapi.SSM, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return nil, err
	}
	c := s.parameters[region]
	if c == nil {
		if s.parameters == nil {
			s.parameters = map[string]*awsapi.SSM{}
		}
		c = awsapi.NewSSM(s.in(region))
		s.parameters[region] = c
	}
	return c, nil
}

// classify says what an error of AWS means: a secret without a value, a
// refusal with the action that is missing, or an outage.
func classify(err error, action string) error {
	api, ok := errors.AsType[*awsapi.Error](err)
	if !ok {
		return err
	}
	code, text := api.Code, api.Message
	if code == "ResourceNotFoundException" && strings.Contains(text, "staging label") {
		return fmt.Errorf("it has no value: %w", secret.ErrNotYet)
	}
	if outage(api) {
		return err
	}
	if strings.Contains(code, "KMS") || strings.Contains(text, "KMS") || strings.Contains(text, decrypt) || code == "DecryptionFailure" || code == "InvalidKeyId" {
		action = decrypt
	}
	return &secret.Refused{Reason: code + ": " + text, Action: action}
}

// outage says whether trying again is worth more than a few seconds.
func outage(err *awsapi.Error) bool {
	switch err.Code {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "ServiceUnavailable":
		return true
	}
	return err.Throttled() || err.ServerFault() || err.Status == 429
}
