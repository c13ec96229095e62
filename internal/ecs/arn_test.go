package ecs

import "testing"

func TestTaskID(t *testing.T) {
	for arn, want := range map[string]string{
		arnFargate: "0a1b2c",
		"arn:aws-cn:ecs:cn-north-1:123456789012:task/old": "old",
		"arn:aws:ecs:us-east-1:123456789012:task/":        "",
		"arn:aws:ecs:us-east-1:123456789012:task/a/b/c":   "",
		"arn:aws:ecs:us-east-1:123456789012:cluster/prod": "",
		"arn:aws:sns:us-east-1:123456789012:task/prod/x":  "",
		"arn:aws:ecs:us-east-1:123456789012:task":         "",
		"task/prod/x": "",
		"":            "",
	} {
		got, err := TaskID(arn)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("TaskID(%q) = %q, %v; want %q", arn, got, err, want)
		}
	}
}

func TestParseARN(t *testing.T) {
	got, err := ParseARN("arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task/a:b")
	if err != nil || got != (ARN{"aws-us-gov", "ecs", "us-gov-west-1", "123456789012", "task/a:b"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestClusterARN(t *testing.T) {
	const old = "arn:aws:ecs:us-east-1:123456789012:task/old"
	for _, c := range [][3]string{
		{arnFargate, "", cluster},
		{arnFargate, "prod", cluster},
		{arnFargate, cluster, cluster},
		{old, "dev", "arn:aws:ecs:us-east-1:123456789012:cluster/dev"},
		{old, "", ""},
		{"bad", "dev", ""},
		{Local().ARN, "local", "arn:aws:ecs:local:000000000000:cluster/local"},
	} {
		got, err := ClusterARN(c[0], c[1])
		if got != c[2] || (err == nil) != (c[2] != "") {
			t.Errorf("ClusterARN(%q, %q) = %q, %v; want %q", c[0], c[1], got, err, c[2])
		}
	}
}
