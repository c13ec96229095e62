package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// SSM calls the parameter store of AWS Systems Manager.
type SSM struct{ c *client }

// NewSSM makes a client with cfg's Region, credentials, retryer and endpoint.
func NewSSM(cfg aws.Config) *SSM {
	return &SSM{newClient(cfg, service{"SSM", "ssm", "AmazonSSM"})}
}

// GetParameterInput names a parameter.
type GetParameterInput struct {
	Name           string // or ARN
	WithDecryption bool
}

// GetParameterOutput is a parameter's value; it is nil where AWS sent none.
// Never log it.
type GetParameterOutput struct {
	Parameter *struct{ Value string }
}

// GetParameter reads a parameter.
func (s *SSM) GetParameter(ctx context.Context, in GetParameterInput) (*GetParameterOutput, error) {
	out := new(GetParameterOutput)
	return out, s.c.call(ctx, "GetParameter", in, out)
}
