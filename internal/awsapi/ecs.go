package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// ECS calls Amazon ECS.
type ECS struct{ c *client }

// NewECS makes a client with cfg's Region, credentials, retryer and endpoint.
func NewECS(cfg aws.Config) *ECS {
	return &ECS{newClient(cfg, service{"ECS", "ecs", "AmazonEC2ContainerServiceV20141113"})}
}

// ListTasksInput asks for one page of a cluster's tasks.
type ListTasksInput struct {
	Cluster       string `json:"cluster"`
	DesiredStatus string `json:"desiredStatus,omitempty"` // AWS's default is RUNNING
	MaxResults    int    `json:"maxResults,omitempty"`    // at most 100
	NextToken     string `json:"nextToken,omitempty"`
}

// ListTasksOutput is one page; NextToken is empty in the last one.
type ListTasksOutput struct {
	NextToken string   `json:"nextToken"`
	TaskARNs  []string `json:"taskArns"`
}

// ListTasks lists tasks.
func (e *ECS) ListTasks(ctx context.Context, in ListTasksInput) (*ListTasksOutput, error) {
	out := new(ListTasksOutput)
	return out, e.c.call(ctx, "ListTasks", in, out)
}

// DescribeTasksInput asks for 1 to 100 tasks.
type DescribeTasksInput struct {
	Cluster string   `json:"cluster"`
	Include []string `json:"include,omitempty"` // "TAGS"
	Tasks   []string `json:"tasks"`             // ARNs
}

// DescribeTasksOutput holds the tasks that were found.
type DescribeTasksOutput struct {
	Tasks []Task `json:"tasks"`
}

// Task is a task of ECS.
type Task struct {
	TaskARN       string `json:"taskArn"`
	DefinitionARN string `json:"taskDefinitionArn"`
	Tags          []Tag  `json:"tags"`
}

// Tag is one tag of a task.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// DescribeTasks describes tasks.
func (e *ECS) DescribeTasks(ctx context.Context, in DescribeTasksInput) (*DescribeTasksOutput, error) {
	out := new(DescribeTasksOutput)
	return out, e.c.call(ctx, "DescribeTasks", in, out)
}
