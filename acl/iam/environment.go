package iam

import (
	"cmp"
	"fmt"

	"meshtask/internal/awsapi"
)

// Environment is c with what it lacks from where the AWS SDK finds it: the
// credentials of the task role, the Region, and the endpoints of STS and IAM if
// any are set. Container credentials, AWS_* variables and files are looked at;
// nobody is asked yet.
func Environment(c Config) (Config, error) {
	s, err := awsapi.Load()
	if err != nil {
		return c, fmt.Errorf("AWS settings: %w", err)
	}
	if c.Credentials == nil {
		c.Credentials = s.Credentials
	}
	c.Region = cmp.Or(c.Region, s.Region)
	c.STSEndpoint = cmp.Or(c.STSEndpoint, awsapi.Endpoint(s, "STS"))
	c.IAMEndpoint = cmp.Or(c.IAMEndpoint, awsapi.Endpoint(s, "IAM"))
	return c, nil
}
