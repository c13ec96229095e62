package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const (
	sm  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-AbCdEf"
	par = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a/b"
)

func TestParse(t *testing.T) {
	plain := Ref{Kind: SecretsManager, ARN: sm, Region: "us-east-1", Name: "app/db-AbCdEf"}
	with := func(key, stage, version string) Ref {
		r := plain
		r.Key, r.Stage, r.Version = key, stage, version
		return r
	}
	for _, c := range []struct {
		in, out string
		want    Ref
	}{
		{sm, sm, plain},
		{sm + ":token::", sm + ":token", with("token", "", "")},
		{sm + ":token", sm + ":token", with("token", "", "")},
		{sm + "::AWSPREVIOUS:", sm + "::AWSPREVIOUS", with("", "AWSPREVIOUS", "")},
		{sm + ":k:s:v", sm + ":k:s:v", with("k", "s", "v")},
		{sm + ":::v", sm + ":::v", with("", "", "v")},
		{sm + ":::", sm, plain},
		{par, par, Ref{Kind: SSM, ARN: par, Region: "cn-north-1", Name: "a/b"}},
		{"env:TOKEN", "env:TOKEN", Ref{Kind: Env, Name: "TOKEN"}},
		{"file:/run/x:y", "file:/run/x:y", Ref{Kind: File, Path: "/run/x:y"}},
	} {
		got, err := Parse(c.in)
		if err != nil || got != c.want || got.String() != c.out || got.IsZero() {
			t.Errorf("Parse(%q) = %+v (%s), %v", c.in, got, got, err)
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("Parse(%q) again = %+v, %v", got, again, err)
		}
		if text, _ := json.Marshal(got); string(text) != `"`+c.out+`"` {
			t.Errorf("JSON of %q: %s", c.in, text)
		}
	}
	if s := (Ref{}).String(); s != "" || !(Ref{}).IsZero() {
		t.Errorf("zero reference: %q", s)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", "hunter2", "b1gs37a0-0000-4000-8000-000000000000", "env:", "env:A-B", "env:1A", "env:A=B", "file:", "file:a\x00b", "ENV:A",
		"arn:aws:s3:::bucket", "arn:aws:ssm:us-east-1:123456789012:document/x",
		"arn:aws:ssm:us-east-1:123456789012:parameter/", "arn:aws:ssm:us-east-1:123456789012:parameter/x:3",
		"arn:aws:secretsmanager:us-east-1:123456789012", "arn:aws:secretsmanager:us-east-1:123456789012:secret:",
		"arn:aws:secretsmanager:us-east-1:123456789012:secret", "arn:aws:secretsmanager:us-east-1:123456789012:other:x",
		"arn:aws:secretsmanager::123456789012:secret:x", "arn:aws:secretsmanager:us-east-1:123:secret:x",
		"arn:azure:secretsmanager:us-east-1:123456789012:secret:x", sm + ":a:b:c:d", sm + "\x1b[2J", sm + ":k\n", par + "\xff", par + "\u009b",
	} {
		if got, err := Parse(in); err == nil || !got.IsZero() {
			t.Errorf("Parse(%q) = %+v, want an error", in, got)
		}
	}
}

// A literal secret where a reference belongs must not come out again.
func TestParseNeverQuotesALiteral(t *testing.T) {
	for _, in := range []string{"hunter2", "env:hunter2-hunter2", "hunter2:hunter2"} {
		if _, err := Parse(in); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q): %v", in, err)
		}
	}
}

func TestStringRedacts(t *testing.T) {
	s := String("hunter2")
	type holder struct{ S String }
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s)
	text, err := json.Marshal(map[string]any{"a": s, "b": holder{s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		s.String(), fmt.Sprintf("%s %v %q %#v %+v", s, s, s, s, holder{s}), fmt.Sprint(&s, []String{s}), log.String(), string(text),
	} {
		if strings.Contains(out, "hunter2") || !strings.Contains(out, redacted) {
			t.Errorf("not redacted: %s", out)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal must reveal")
	}
}
