package iam

import "testing"

// Consul's servers take only hosts that look like AWS's, and IAM signs for one
// Region of a partition whatever the task's is.
func TestEndpoints(t *testing.T) {
	for _, c := range []struct{ region, sts, iam, signs string }{
		{"eu-west-1", "https://sts.eu-west-1.amazonaws.com/", "https://iam.amazonaws.com/", "us-east-1"},
		{"us-gov-east-1", "https://sts.us-gov-east-1.amazonaws.com/", "https://iam.us-gov.amazonaws.com/", "us-gov-west-1"},
		{"cn-northwest-1", "https://sts.cn-northwest-1.amazonaws.com.cn/", "https://iam.cn-north-1.amazonaws.com.cn/", "cn-north-1"},
		{"us-iso-west-1", "https://sts.us-iso-west-1.c2s.ic.gov/", "https://iam.us-iso-east-1.c2s.ic.gov/", "us-iso-east-1"},
		{"us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov/", "https://iam.us-isob-east-1.sc2s.sgov.gov/", "us-isob-east-1"},
		{"us-isof-east-1", "https://sts.us-isof-east-1.csp.hci.ic.gov/", "https://iam.us-isof-south-1.csp.hci.ic.gov/", "us-isof-south-1"},
		{"eu-isoe-west-1", "https://sts.eu-isoe-west-1.cloud.adc-e.uk/", "https://iam.eu-isoe-west-1.cloud.adc-e.uk/", "eu-isoe-west-1"},
		{"eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu/", "https://iam.eusc-de-east-1.amazonaws.eu/", "eusc-de-east-1"},
	} {
		if got, err := stsEndpoint(t.Context(), "", c.region); got != (endpoint{c.sts, "sts", c.region}) || err != nil {
			t.Errorf("%s: sts %+v, %v", c.region, got, err)
		}
		if got := iamEndpoint("", c.region); got != (endpoint{c.iam, "iam", c.signs}) {
			t.Errorf("%s: iam %+v", c.region, got)
		}
	}
	if got, err := stsEndpoint(t.Context(), "http://127.0.0.1:1", "eu-west-1"); got.url != "http://127.0.0.1:1/" || err != nil {
		t.Errorf("given: %s, %v", got.url, err)
	}
}

func TestRoleOf(t *testing.T) {
	if got, err := roleOf("arn:aws:sts::123456789012:assumed-role/web/abc"); got != "web" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"arn:aws:iam::123456789012:user/joe", "arn:aws:sts::1:assumed-role/web", "arn:aws:sts::1:assumed-role//s", ""} {
		if got, err := roleOf(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}
