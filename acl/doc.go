// Package acl knows Consul ACL tokens of ECS tasks: the controller that makes
// and removes them for the mesh tasks of one cluster, in the shapes of consul-ecs
// v0.2–v0.4, and the login of one task through Consul's aws-iam auth method.
//
// A controller looks at tasks, tokens, policies and secrets, lets package reconcile
// decide, and carries out the chains of operations that come of it: secret first,
// then policy, then token with the IDs of the secret, so that each step may be
// repeated after a crash.
//
// The package does not know flags, the environment or signals, and nothing of the
// task's own processes.
package acl
