package acl

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"meshtask/acl/reconcile"
	"meshtask/internal/awssdk"
)

// ecsTasks is ecsAPI by AWS.
type ecsTasks struct{ api *ecs.Client }

// newECSTasks makes the real one. Calls are not retried by the client: the
// controller does it, so that every one counts against its limit.
func newECSTasks(cfg aws.Config) ecsTasks {
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return ecsTasks{ecs.NewFromConfig(cfg)}
}

func (t ecsTasks) ListTasks(ctx context.Context, cluster, page string) ([]string, string, error) {
	in := &ecs.ListTasksInput{Cluster: &cluster, DesiredStatus: types.DesiredStatusRunning, MaxResults: aws.Int32(100)}
	if page != "" {
		in.NextToken = &page
	}
	out, err := t.api.ListTasks(ctx, in)
	if err != nil {
		return nil, "", awsError(err, "ecs:ListTasks on *")
	}
	return out.TaskArns, aws.ToString(out.NextToken), nil
}

func (t ecsTasks) DescribeTasks(ctx context.Context, cluster string, arns []string) ([]reconcile.TaskInfo, error) {
	if len(arns) == 0 { // ECS refuses it
		return nil, nil
	}
	out, err := t.api.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: arns, Include: []types.TaskField{types.TaskFieldTags}})
	if err != nil {
		return nil, awsError(err, "ecs:DescribeTasks on *")
	}
	infos := make([]reconcile.TaskInfo, 0, len(out.Tasks))
	for _, t := range out.Tasks {
		info := reconcile.TaskInfo{ARN: aws.ToString(t.TaskArn), Definition: aws.ToString(t.TaskDefinitionArn), Tags: make(map[string]string, len(t.Tags))}
		for _, tag := range t.Tags {
			info.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (t ecsTasks) Stopped(ctx context.Context, cluster string, arns []string) ([]string, error) {
	if len(arns) == 0 {
		return nil, nil
	}
	out, err := t.api.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: arns})
	if awssdk.Is(err, badParameter) {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	if err != nil {
		return nil, awsError(err, "ecs:DescribeTasks on *")
	}
	var stopped []string
	for _, t := range out.Tasks {
		if aws.ToString(t.LastStatus) == string(types.DesiredStatusStopped) {
			stopped = append(stopped, aws.ToString(t.TaskArn))
		}
	}
	for _, f := range out.Failures {
		if aws.ToString(f.Reason) == missingTask {
			stopped = append(stopped, aws.ToString(f.Arn))
		}
	}
	return stopped, nil
}

// What ECS says of a task that it does not know, and of an ARN that is none.
const (
	missingTask  = "MISSING"
	badParameter = "InvalidParameterException"
)

// awsError turns the answers that the controller acts on into its own errors;
// needs is the action and resource that a refusal lacks.
func awsError(err error, needs string) error {
	refused, answered := awssdk.Refused(err)
	switch {
	case answered && refused.Throttled:
		return fmt.Errorf("%w by AWS: %s", errThrottled, needs)
	case !answered || refused.ServerFault:
		return fmt.Errorf("%w: %w", errUnsure, err)
	case slices.Contains([]string{"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}, refused.Code):
		return &denied{by: "AWS", needs: needs, reason: refused.Message}
	}
	return err
}
