package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// SecretsManager calls AWS Secrets Manager.
type SecretsManager struct{ c *client }

// NewSecretsManager makes a client with cfg's Region, credentials, retryer and
// endpoint.
func NewSecretsManager(cfg aws.Config) *SecretsManager {
	return &SecretsManager{newClient(cfg, service{"Secrets Manager", "secretsmanager", "secretsmanager"})}
}

// GetSecretValueInput names a secret; without stage and version it is the
// current version.
type GetSecretValueInput struct {
	SecretID     string `json:"SecretId"` // name or ARN
	VersionID    string `json:"VersionId,omitempty"`
	VersionStage string `json:"VersionStage,omitempty"`
}

// GetSecretValueOutput is one version of a secret. SecretString is nil in a
// binary one. Never log it.
type GetSecretValueOutput struct {
	SecretBinary []byte
	SecretString *string
	VersionID    string `json:"VersionId"`
}

// GetSecretValue reads a secret.
func (s *SecretsManager) GetSecretValue(ctx context.Context, in GetSecretValueInput) (*GetSecretValueOutput, error) {
	out := new(GetSecretValueOutput)
	return out, s.c.call(ctx, "GetSecretValue", in, out)
}

// UpdateSecretInput is a new version of a secret. Never log it.
type UpdateSecretInput struct {
	ClientRequestToken string // the version's ID, a UUID
	SecretID           string `json:"SecretId"`
	SecretString       string
}

// UpdateSecretOutput names the version that was made.
type UpdateSecretOutput struct {
	VersionID string `json:"VersionId"`
}

// UpdateSecret gives a secret a new version.
func (s *SecretsManager) UpdateSecret(ctx context.Context, in UpdateSecretInput) (*UpdateSecretOutput, error) {
	out := new(UpdateSecretOutput)
	return out, s.c.call(ctx, "UpdateSecret", in, out)
}

// CreateSecretInput is a new secret. Never log it.
type CreateSecretInput struct {
	ClientRequestToken string // its first version's ID, a UUID: makes a repeated call harmless
	Description        string
	Name               string
	SecretString       string
}

// CreateSecret makes a secret.
func (s *SecretsManager) CreateSecret(ctx context.Context, in CreateSecretInput) error {
	return s.c.call(ctx, "CreateSecret", in, new(struct{}))
}
