// Package awsapi calls the operations of ECS, Secrets Manager and SSM that
// meshtask needs, over the core of the AWS SDK: its signer, credential
// providers and retryers. It knows AWS JSON 1.1, the SDK's settings and where
// services are. It knows neither tasks nor references to secrets, and none of
// the other operations.
//
// It stands in for the SDK's config package and generated clients because the
// initialisation of those would be paid by every process, also by one that
// never talks to AWS: docs/adr/0006-small-aws-client.md has the figures.
package awsapi
