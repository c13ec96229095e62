package iam

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"meshtask/internal/awsapi"
)

// Environment finds the credentials of the task role and the Region where the
// AWS SDK finds them: container credentials, AWS_* variables, files. It asks
// nobody yet.
func Environment() (aws.CredentialsProvider, string, error) {
	c, err := awsapi.Load()
	if err != nil {
		return nil, "", fmt.Errorf("AWS settings: %w", err)
	}
	return c.Credentials, c.Region, nil
}
