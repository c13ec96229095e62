// Package acl knows Consul ACL tokens of ECS tasks: the controller that makes
// and removes them for the mesh tasks of one cluster, in the shapes of consul-ecs
// v0.2–v0.4, and the login of one task through Consul's aws-iam auth method.
//
// The heart is Reconcile, which is pure: tasks, tokens, policies and secrets go
// in, chains of operations come out. The controller sees the world, asks
// Reconcile, and carries the chains out: secret first, then policy, then token
// with the IDs of the secret, so that each step may be repeated after a crash.
//
// The package does not know flags, the environment, signals or how its counters
// are published, and nothing of the task's own processes.
package acl
