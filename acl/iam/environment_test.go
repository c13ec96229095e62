package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"meshtask/acl/iam"
)

// What a configuration gives stays; the rest is found where the SDK finds it.
func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1",
		"AWS_ENDPOINT_URL_STS": "http://sts:1", "AWS_ENDPOINT_URL": "http://all:1"} {
		t.Setenv(name, value)
	}
	for _, c := range []struct{ given, want iam.Config }{
		{iam.Config{}, iam.Config{Region: "eu-west-1", STSEndpoint: "http://sts:1", IAMEndpoint: "http://all:1"}},
		{iam.Config{Region: "us-east-1", STSEndpoint: "https://a"}, iam.Config{Region: "us-east-1", STSEndpoint: "https://a", IAMEndpoint: "http://all:1"}},
	} {
		got, err := iam.Environment(t.Context(), c.given)
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := got.Credentials.Retrieve(t.Context()); err != nil || keys.AccessKeyID != "AKIA" {
			t.Errorf("credentials %s, %v", keys.AccessKeyID, err)
		}
		got.Credentials = nil
		if d := cmp.Diff(c.want, got); d != "" {
			t.Error(d)
		}
	}
	mine := aws.CredentialsProvider(aws.AnonymousCredentials{})
	if got, err := iam.Environment(t.Context(), iam.Config{Credentials: mine}); err != nil || got.Credentials != mine {
		t.Errorf("the credentials given are replaced: %v", err)
	}
}
