// Package iam knows how an ECS task gets a Consul token for its IAM role:
// Consul's aws-iam auth method, which takes a signed but unsent
// sts:GetCallerIdentity request, and with it a signed iam:GetRole one, as the
// proof of who asks. Consul's servers send them; AWS answers them.
//
// It knows how to log in, wait until the token can be read, and log out. It
// does not know what the token is for, where credentials and settings come
// from, or the ACL controller, which makes tokens in another way.
package iam
