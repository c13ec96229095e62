// Package awsfake plays the parts of AWS that meshtask talks to, in-process and
// on loopback, for tests: ECS, Secrets Manager and SSM behind one endpoint
// (Cloud), STS and IAM behind another (IAM). It speaks AWS's wire protocol, so
// that the real SDK is what is tested, and it has AWS's bad manners: pages,
// quotas, throttling, lists that lag behind, tags that go when a task stops.
//
// It knows nothing of meshtask, and is no part of it: tests of acl and deploy in
// this module and those of e2e import it, and a test forbids the product to.
package awsfake
