package acl

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"meshtask/acl/reconcile"
	"meshtask/internal/awssdk"
	"meshtask/internal/secret"
)

// The refusals that mean something other than a failure.
const (
	noSecret = "ResourceNotFoundException"
	exists   = "ResourceExistsException"
)

// smSecrets is secretsAPI by AWS.
type smSecrets struct{ api *secretsmanager.Client }

func newSMSecrets(cfg aws.Config) smSecrets { return smSecrets{secretsmanager.NewFromConfig(cfg)} }

func (s smSecrets) GetSecret(ctx context.Context, name string) (secret.String, string, error) {
	out, err := s.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if missing, ok := awssdk.Refused(err); ok && missing.Code == noSecret {
		// The same error tells that the secret has no value yet, in its text only.
		if strings.Contains(missing.Message, "secret value") {
			return "", "", nil
		}
		return "", "", errMissing
	}
	if err != nil {
		return "", "", awsError(err, "secretsmanager:GetSecretValue on "+name)
	}
	if out.SecretString == nil {
		return secret.String(out.SecretBinary), aws.ToString(out.VersionId), nil
	}
	return secret.String(*out.SecretString), aws.ToString(out.VersionId), nil
}

// PutSecret names the new version after the one that it replaces. Secrets
// Manager refuses to give one name to two contents, so of two writers that have
// read the same version only one gets through, and a repeated call is harmless.
func (s smSecrets) PutSecret(ctx context.Context, name string, content secret.String, replaces string) (string, error) {
	out, err := s.api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &name,
		SecretString: aws.String(content.Reveal()), ClientRequestToken: aws.String(successor(name, replaces))})
	switch {
	case awssdk.Is(err, exists):
		return "", fmt.Errorf("secret %s %w", name, errConflict)
	case awssdk.Is(err, noSecret):
		return "", fmt.Errorf("secret %s %w", name, errMissing)
	case err != nil:
		return "", awsError(err, "secretsmanager:UpdateSecret on "+name)
	}
	return aws.ToString(out.VersionId), nil
}

// successor is the ID of the version that follows a version.
func successor(name, version string) string {
	sum := sha256.Sum256([]byte("meshtask secret version\n" + name + "\n" + version))
	return formatUUID([16]byte(sum[:16]))
}

func (s smSecrets) CreateSecret(ctx context.Context, name string) error {
	_, err := s.api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(reconcile.EmptySecret), ClientRequestToken: aws.String(newUUID()),
		Description: aws.String("Consul ACL token of an ECS service, kept by meshtask acl-controller")})
	switch {
	case awssdk.Is(err, exists):
		return nil
	case err != nil:
		return awsError(err, "secretsmanager:CreateSecret on "+name)
	}
	return nil
}
