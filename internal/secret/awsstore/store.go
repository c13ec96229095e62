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
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

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
	secrets    map[string]*secretsmanager.Client // by region
	parameters map[string]*ssm.Client
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
	c, err := s.secretsClient(ctx, ref.Region)
	if err != nil {
		return "", err
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(ref.ARN)}
	if ref.Stage != "" {
		in.VersionStage = aws.String(ref.Stage)
	}
	if ref.Version != "" {
		in.VersionId = aws.String(ref.Version)
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
	c, err := s.parametersClient(ctx, ref.Region)
	if err != nil {
		return "", err
	}
	out, err := c.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(ref.ARN), WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", classify(err, getParameter)
	}
	if out.Parameter == nil {
		return "", secret.ErrNotYet
	}
	return secret.String(aws.ToString(out.Parameter.Value)), nil
}

// load finds the SDK's settings, once. s.mu is held.
func (s *Store) load(ctx context.Context) error {
	if s.loaded {
		return nil
	}
	base, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		return fmt.Errorf("load the settings of the AWS SDK: %v", err)
	}
	s.base, s.loaded = base, true
	return nil
}

func (s *Store) secretsClient(ctx context.Context, region string) (*secretsmanager.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	c := s.secrets[region]
	if c == nil {
		if s.secrets == nil {
			s.secrets = map[string]*secretsmanager.Client{}
		}
		c = secretsmanager.NewFromConfig(s.base, func(o *secretsmanager.Options) { o.Region = region })
		s.secrets[region] = c
	}
	return c, nil
}

func (s *Store) parametersClient(ctx context.Context, region string) (*ssm.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	c := s.parameters[region]
	if c == nil {
		if s.parameters == nil {
			s.parameters = map[string]*ssm.Client{}
		}
		c = ssm.NewFromConfig(s.base, func(o *ssm.Options) { o.Region = region })
		s.parameters[region] = c
	}
	return c, nil
}

// classify says what an error of AWS means: a secret without a value, a
// refusal with the action that is missing, or an outage.
func classify(err error, action string) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	code, text := api.ErrorCode(), api.ErrorMessage()
	if code == "ResourceNotFoundException" && strings.Contains(text, "staging label") {
		return fmt.Errorf("it has no value: %w", secret.ErrNotYet)
	}
	if outage(err, api) {
		return err
	}
	if strings.Contains(code, "KMS") || strings.Contains(text, "KMS") || strings.Contains(text, decrypt) || code == "DecryptionFailure" || code == "InvalidKeyId" {
		action = decrypt
	}
	return &secret.Refused{Reason: code + ": " + text, Action: action}
}

// outage says whether trying again is worth more than a few seconds.
func outage(err error, api smithy.APIError) bool {
	if _, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; throttled || api.ErrorFault() == smithy.FaultServer {
		return true
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InternalServiceError", "InternalServerError", "ServiceUnavailable":
		return true
	}
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && (resp.HTTPStatusCode() == 429 || resp.HTTPStatusCode() >= 500)
}
