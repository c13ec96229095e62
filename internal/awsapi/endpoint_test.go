package awsapi

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// The generated clients know where their services are: our hosts are theirs, in
// every partition.
func TestHostsAreTheSDKs(t *testing.T) {
	e, m, p := ecs.NewDefaultEndpointResolverV2(), secretsmanager.NewDefaultEndpointResolverV2(), ssm.NewDefaultEndpointResolverV2()
	for _, region := range []string{"us-east-1", "eu-west-3", "mx-central-1", "cn-north-1", "eusc-de-east-1", "us-gov-west-1",
		"us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"} {
		for _, kind := range []struct{ fips, dual bool }{{}, {fips: true}, {dual: true}, {true, true}} {
			for s, ask := range map[service]func() (string, error){
				NewECS(aws.Config{}).c.service: func() (string, error) {
					out, err := e.ResolveEndpoint(t.Context(), ecs.EndpointParameters{Region: &region, UseFIPS: &kind.fips, UseDualStack: &kind.dual})
					return out.URI.String(), err
				},
				NewSecretsManager(aws.Config{}).c.service: func() (string, error) {
					out, err := m.ResolveEndpoint(t.Context(), secretsmanager.EndpointParameters{Region: &region, UseFIPS: &kind.fips, UseDualStack: &kind.dual})
					return out.URI.String(), err
				},
				NewSSM(aws.Config{}).c.service: func() (string, error) {
					out, err := p.ResolveEndpoint(t.Context(), ssm.EndpointParameters{Region: &region, UseFIPS: &kind.fips, UseDualStack: &kind.dual})
					return out.URI.String(), err
				},
			} {
				want, err := ask()
				if err != nil {
					t.Fatal(err)
				}
				if got := "https://" + host(s, region, kind.fips, kind.dual); got != want {
					t.Errorf("%s in %s, %+v: %s, the SDK has %s", s.id, region, kind, got, want)
				}
			}
		}
	}
}

func TestBadEndpoints(t *testing.T) {
	s := service{"ECS", "ecs", "x"}
	for _, cfg := range []aws.Config{{}, {Region: "evil.example/"}, {Region: "us-east-1", BaseEndpoint: aws.String("localhost:4566")}} {
		if url, err := endpoint(cfg, s); err == nil {
			t.Errorf("%q, %q: got %s, want an error", cfg.Region, aws.ToString(cfg.BaseEndpoint), url)
		}
	}
	if url, err := endpoint(aws.Config{BaseEndpoint: aws.String("http://127.0.0.1:4566/aws")}, s); err != nil || url != "http://127.0.0.1:4566/aws/" {
		t.Errorf("got %s, %v", url, err)
	}
}
