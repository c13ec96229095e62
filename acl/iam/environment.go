package iam

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Environment finds the credentials of the task role and the Region where the
// AWS SDK finds them: container credentials, AWS_* variables, files. It asks
// nobody yet.
func Environment(ctx context.Context) (aws.CredentialsProvider, string, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("AWS settings: %w", err)
	}
	return c.Credentials, c.Region, nil
}
