package awsfake

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestECSManners(t *testing.T) {
	c := New(t.Cleanup)
	c.ECS.Limit(nil)
	api := ecs.NewFromConfig(c.Config())
	ctx := t.Context()
	var first string
	for i := range 250 {
		if arn := c.ECS.Run("prod", "fam", map[string]string{"k": "v"}); i == 0 {
			first = arn
		}
	}
	c.ECS.Run("prod-2", "fam", nil)
	pages, seen := 0, 0
	p := ecs.NewListTasksPaginator(api, &ecs.ListTasksInput{Cluster: aws.String(ClusterARN("prod"))})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pages, seen = pages+1, seen+len(out.TaskArns)
	}
	if pages != 3 || seen != 250 {
		t.Errorf("%d tasks on %d pages", seen, pages)
	}
	describe := func(arns []string, tags bool) (*ecs.DescribeTasksOutput, error) {
		in := &ecs.DescribeTasksInput{Cluster: aws.String("prod"), Tasks: arns}
		if tags {
			in.Include = []ecstypes.TaskField{ecstypes.TaskFieldTags}
		}
		return api.DescribeTasks(ctx, in)
	}
	if _, err := describe([]string{}, true); code(err) != "InvalidParameterException" {
		t.Errorf("an empty list: %v", err)
	}
	if _, err := describe(make([]string, 101), true); code(err) != "InvalidParameterException" {
		t.Errorf("101 tasks: %v", err)
	}
	if out, err := describe([]string{first}, false); err != nil || len(out.Tasks[0].Tags) != 0 {
		t.Errorf("tags that nobody asked for: %v", err)
	}
	c.ECS.Stop(first)
	out, err := describe([]string{first, first + "x"}, true)
	if err != nil || len(out.Tasks) != 1 || len(out.Tasks[0].Tags) != 0 || len(out.Failures) != 1 || aws.ToString(out.Failures[0].Reason) != "MISSING" {
		t.Errorf("a stopped and an unknown task: %+v, %v", out, err)
	}
	if _, err := api.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String("pro")}); code(err) != "ClusterNotFoundException" {
		t.Errorf("a part of a cluster's name: %v", err)
	}
	c.ECS.Limit(NewBucket(0, 1))
	once := func(o *ecs.Options) { o.Retryer = aws.NopRetryer{} }
	for _, want := range []string{"<nil>", "ThrottlingException"} {
		if _, err := api.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String("prod")}, once); code(err) != want {
			t.Errorf("with one call left: %v, want %s", err, want)
		}
	}
}

func TestSecretsManners(t *testing.T) {
	c := New(t.Cleanup)
	api := secretsmanager.NewFromConfig(c.Config())
	ctx := t.Context()
	get := func(id, stage string) (string, error) {
		in := &secretsmanager.GetSecretValueInput{SecretId: &id}
		if stage != "" {
			in.VersionStage = &stage
		}
		out, err := api.GetSecretValue(ctx, in)
		if err != nil {
			return "", err
		}
		return aws.ToString(out.SecretString), nil
	}
	update := func(token, content string) error {
		_, err := api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), ClientRequestToken: &token, SecretString: &content})
		return err
	}
	arn := c.Secrets.Set("s", "")
	_, err := get("s", "")
	if e, ok := errors.AsType[*smtypes.ResourceNotFoundException](err); !ok || !strings.Contains(e.ErrorMessage(), "secret value") {
		t.Errorf("no value yet: %v", err)
	}
	one, two := strings.Repeat("1", 32), strings.Repeat("2", 32)
	if err := errors.Join(update(one, "a"), update(one, "a"), update(two, "b")); err != nil {
		t.Fatal(err)
	}
	if err := update(one, "c"); code(err) != "ResourceExistsException" {
		t.Errorf("another content for a version: %v", err)
	}
	if err := update(strings.Repeat("3", 32), strings.Repeat("x", 65537)); code(err) != "ValidationException" {
		t.Errorf("more than 64 KiB: %v", err)
	}
	if now, err := get(arn, ""); now != "b" || err != nil {
		t.Errorf("current: %q, %v", now, err)
	}
	if before, err := get("s", "AWSPREVIOUS"); before != "a" || err != nil {
		t.Errorf("previous: %q, %v", before, err)
	}
	create := func(token string) error {
		_, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("made"), ClientRequestToken: &token, SecretString: aws.String("{}")})
		return err
	}
	if err := errors.Join(create(one), create(one)); err != nil {
		t.Errorf("a repeated creation: %v", err)
	}
	if err := create(two); code(err) != "ResourceExistsException" {
		t.Errorf("another of that name: %v", err)
	}
	c.Secrets.Remove("s", true)
	if _, err := get("s", ""); code(err) != "InvalidRequestException" {
		t.Errorf("scheduled for deletion: %v", err)
	}
}

func TestParametersAndPolicies(t *testing.T) {
	c := New(t.Cleanup)
	api := ssm.NewFromConfig(c.Config())
	get := func(name string) (string, error) {
		out, err := api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.Parameter.Value), nil
	}
	arn := c.SSM.Set("/shop/key", "v")
	for _, name := range []string{"/shop/key", arn} {
		if v, err := get(name); v != "v" || err != nil {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
	if _, err := get("/none"); code(err) != "ParameterNotFound" {
		t.Errorf("no parameter: %v", err)
	}
	p, err := ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:GetParameter","Resource":"arn:aws:ssm:*:*:parameter/shop/*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c.Enforce(p)
	c.SSM.Set("/other/key", "v")
	if _, err := get("/shop/key"); err != nil {
		t.Errorf("allowed: %v", err)
	}
	if _, err := get("/other/key"); code(err) != "AccessDeniedException" {
		t.Errorf("not allowed: %v", err)
	}
	deny, err := ParsePolicy([]byte(`{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"arn:aws:ssm:*:*:parameter/shop/key"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	deny.Statement = append(deny.Statement, p.Statement...)
	c.Enforce(deny)
	if _, err := get("/shop/key"); code(err) != "AccessDeniedException" {
		t.Errorf("denied and allowed: %v", err)
	}
	if len(deny.Actions()) != 1 {
		t.Errorf("allowed are %v", deny.Actions())
	}
	if _, err := ParsePolicy([]byte(`{"Statement":[{"Effect":"Audit","Action":"*","Resource":"*"}]}`)); err == nil {
		t.Error("a policy that would not be enforced is taken")
	}
}
