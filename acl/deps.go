package acl

import (
	"context"

	"meshtask/acl/reconcile"
	"meshtask/internal/secret"
)

// deps is everything that a controller asks.
type deps struct {
	ecs        ecsAPI
	secrets    secretsAPI
	tokens     tokensAPI
	policies   policiesAPI
	rules      rulesAPI
	partitions partitionsAPI
	namespaces namespacesAPI
	reports    reportsAPI
	logins     loginsAPI
	catalog    catalogAPI
	leader     leader // nil: there is no other controller
}

// ecsAPI is ECS.
type ecsAPI interface {
	// ListTasks gives a page of the ARNs of the cluster's tasks that run or are
	// to run, and the token of the next page, empty at the last one.
	ListTasks(ctx context.Context, cluster, page string) (arns []string, next string, err error)
	// DescribeTasks describes at most 100 tasks and at least one. Tasks that no
	// longer exist are left out.
	DescribeTasks(ctx context.Context, cluster string, arns []string) ([]reconcile.TaskInfo, error)
	// Stopped are those of at most 100 tasks that have stopped for good, or that ECS does
	// not know (any more). A task that is stopping has not. errRefused: ECS will not answer
	// for one of these ARNs.
	Stopped(ctx context.Context, cluster string, arns []string) ([]string, error)
}

// secretsAPI is Secrets Manager.
type secretsAPI interface {
	// GetSecret reads the current version; a secret without one has empty
	// content and version. errMissing: there is no such secret.
	GetSecret(ctx context.Context, name string) (content secret.String, version string, err error)
	// PutSecret writes a new version in place of the version that was read, and
	// gives its ID. errConflict: somebody else did.
	PutSecret(ctx context.Context, name string, content secret.String, replaces string) (version string, err error)
	// CreateSecret creates an empty secret ({}); one that exists is fine, for it is
	// read before it is written.
	CreateSecret(ctx context.Context, name string) error
}

// tokensAPI is Consul's ACL tokens.
type tokensAPI interface {
	Tokens(ctx context.Context) ([]reconcile.Token, error)
	// PutToken creates a token with the given IDs or, if it exists, adds the
	// policies that it lacks. errConflict: one of its IDs is another token's.
	PutToken(ctx context.Context, t reconcile.Token) error
	// DescribeToken gives a token another description, and changes nothing else of it.
	DescribeToken(ctx context.Context, accessorID, description string) error
	// DeleteToken deletes; a token that is gone is fine.
	DeleteToken(ctx context.Context, accessorID string) error
}

// policiesAPI is Consul's ACL policies, without their rules when listed.
type policiesAPI interface {
	Policies(ctx context.Context) ([]reconcile.Policy, error)
	// CreatePolicy creates and gives the ID. errConflict: a policy of that name
	// exists, in whatever case.
	CreatePolicy(ctx context.Context, p reconcile.Policy) (id string, err error)
	// UpdatePolicy replaces the rules of one that exists.
	UpdatePolicy(ctx context.Context, p reconcile.Policy) error
	// DeletePolicy deletes; a policy that is gone is fine.
	DeletePolicy(ctx context.Context, id string) error
}

// rulesAPI reads the rules of one policy.
type rulesAPI interface {
	PolicyRules(ctx context.Context, id string) (string, error)
}

// partitionsAPI is Consul Enterprise's partitions.
type partitionsAPI interface {
	Partitions(ctx context.Context) ([]string, error)
	// CreatePartition creates one. errConflict: it exists.
	CreatePartition(ctx context.Context, name string) error
}

// namespacesAPI is Consul Enterprise's namespaces of the partition.
type namespacesAPI interface {
	Namespaces(ctx context.Context) ([]string, error)
	// CreateNamespace creates one whose tokens may read across namespaces.
	// errConflict: it exists.
	CreateNamespace(ctx context.Context, name string) error
}

// reportsAPI says which tokens the instances of a service use.
type reportsAPI interface {
	Reports(ctx context.Context, s reconcile.Service) ([]reconcile.Report, error)
}

// loginsAPI is what tasks log in by.
type loginsAPI interface {
	// Logins reads them, and of the roles those of these names.
	Logins(ctx context.Context, roles []string) (reconcile.Logins, error)
	// PutRole creates a role or, where it has an ID, writes it.
	PutRole(ctx context.Context, r reconcile.Role) error
	// PutAuthMethod creates an auth method or, where it exists, writes it.
	PutAuthMethod(ctx context.Context, m reconcile.AuthMethod) error
	CreateBindingRule(ctx context.Context, r reconcile.BindingRule) error
}

// catalogAPI is Consul's catalog, as far as tasks without an agent write it.
type catalogAPI interface {
	// Node reads a node and what is registered on it; a node that is not there is Missing.
	Node(ctx context.Context, name string) (reconcile.Node, []reconcile.Instance, error)
	// TaskNodes lists the nodes without an agent whose name begins as those of tasks do.
	TaskNodes(ctx context.Context) ([]reconcile.Node, error)
	// PutNode makes a node or, where it exists, adds the meta that it lacks.
	PutNode(ctx context.Context, n reconcile.Node) error
	// DeregisterService and DeregisterNode deregister; what is gone is fine.
	DeregisterService(ctx context.Context, i reconcile.Instance) error
	DeregisterNode(ctx context.Context, name string) error
	// Terminating lists the config entries of terminating gateways, in order.
	Terminating(ctx context.Context) ([]reconcile.Terminating, error)
}

// leader lets one of several controllers work.
type leader interface {
	// Hold waits for the lock, and calls lead while it has it; lead's ctx ends
	// when the lock is lost. Lost, it begins again; it returns when ctx has
	// ended, or lead has by itself.
	Hold(ctx context.Context, lead func(context.Context) error) error
}
