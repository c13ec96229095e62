package acl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
)

// ecsTasks is Tasks by the AWS SDK.
type ecsTasks struct{ api *ecs.Client }

// NewTasks makes the real Tasks. Calls are not retried by the SDK: the
// controller does it, so that every one counts against its limit.
func NewTasks(cfg aws.Config) Tasks {
	return ecsTasks{ecs.NewFromConfig(cfg, func(o *ecs.Options) { o.Retryer = aws.NopRetryer{} })}
}

func (t ecsTasks) ListTasks(ctx context.Context, cluster, page string) ([]string, string, error) {
	in := &ecs.ListTasksInput{Cluster: &cluster, MaxResults: aws.Int32(100)}
	if page != "" {
		in.NextToken = &page
	}
	out, err := t.api.ListTasks(ctx, in)
	if err != nil {
		return nil, "", awsError(err, "ecs:ListTasks on *")
	}
	return out.TaskArns, aws.ToString(out.NextToken), nil
}

func (t ecsTasks) DescribeTasks(ctx context.Context, cluster string, arns []string) ([]TaskInfo, error) {
	if len(arns) == 0 { // ECS refuses it
		return nil, nil
	}
	out, err := t.api.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: arns, Include: []types.TaskField{types.TaskFieldTags}})
	if err != nil {
		return nil, awsError(err, "ecs:DescribeTasks on *")
	}
	infos := make([]TaskInfo, 0, len(out.Tasks))
	for _, t := range out.Tasks {
		info := TaskInfo{ARN: aws.ToString(t.TaskArn), Definition: aws.ToString(t.TaskDefinitionArn), Tags: make(map[string]string, len(t.Tags))}
		for _, tag := range t.Tags {
			info.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// awsError turns the answers that the controller acts on into its own errors;
// needs is the action and resource that a refusal lacks.
func awsError(err error, needs string) error {
	if retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary {
		return fmt.Errorf("%w by AWS: %s", ErrThrottled, needs)
	}
	apiErr, answered := errors.AsType[smithy.APIError](err)
	switch {
	case !answered || apiErr.ErrorFault() == smithy.FaultServer:
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	case slices.Contains([]string{"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}, apiErr.ErrorCode()):
		return &Denied{By: "AWS", Needs: needs, Reason: apiErr.ErrorMessage()}
	}
	return err
}
