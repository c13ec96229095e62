package iam

import (
	"cmp"
	"context"

	"meshtask/internal/awssdk"
)

// Environment is c with what it lacks from where the AWS SDK finds it: the
// credentials of the task role, the Region, and the endpoints of STS and IAM if
// any are set. Container credentials, AWS_* variables and files are looked at;
// nobody is asked yet.
func Environment(ctx context.Context, c Config) (Config, error) {
	s, err := awssdk.Load(ctx)
	if err != nil {
		return c, err
	}
	if c.Credentials == nil {
		c.Credentials = s.Credentials
	}
	c.Region = cmp.Or(c.Region, s.Region)
	c.STSEndpoint = cmp.Or(c.STSEndpoint, awssdk.Endpoint(ctx, s, "STS"))
	c.IAMEndpoint = cmp.Or(c.IAMEndpoint, awssdk.Endpoint(ctx, s, "IAM"))
	return c, nil
}
