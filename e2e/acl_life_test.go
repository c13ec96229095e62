package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// The life of tokens with a real Consul server, which the tests share; each has
// a cloud, a cluster and services of its own.
func TestControllerLife(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	for name, test := range map[string]func(*testing.T, *aclBed){
		"scaled to zero and back": scaledToZero,
		"damage is repaired":      damageIsRepaired,
		"dry run":                 dryRun,
		"throttled":               throttledByECS,
		"what AWS shows late":     lateAWS,
		"bad input":               badInput,
		"rotation":                rotation,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b.beside(t))
		})
	}
}

// Back within the grace a service has the token that it had, untouched. After
// the grace token and policy are gone and the secret is cleared, also where it
// was the last service of its cluster, and then it can come back from nothing.
func scaledToZero(t *testing.T, b *aclBed) {
	const cluster, service, secret = "zero", "zero-web", aclPrefix + "-zero-web"
	task := b.mesh(cluster, service)
	patient := b.start(t, "patient", cluster, "--interval", "50ms", "--deletion-grace", "1h", "--log-level", "trace")
	before := b.agreed(t, time.Minute, secret)
	b.cloud.ECS.Stop(task)
	b.sweeps(t, 4) // two complete ones would do, were it not for the grace
	task = b.mesh(cluster, service)
	b.sweeps(t, 4)
	b.cloud.ECS.Stop(task)
	b.sweeps(t, 4)
	if now := b.agreed(t, time.Minute, secret); now.AccessorID != before.AccessorID || now.ModifyIndex != before.ModifyIndex {
		t.Errorf("within the grace the token was touched: %+v, was %+v", now, before)
	}
	if n := b.cloud.Calls()["secretsmanager:UpdateSecret"]; n != 1 {
		t.Errorf("the secret was written %d times, want once", n)
	}
	b.discreet(t, patient)
	stopped(t, patient)

	const grace = time.Second
	began := time.Now()
	short := b.start(t, "short", cluster, "--interval", "50ms", "--deletion-grace", grace.String(), "--log-level", "trace")
	harness.Eventually(t, time.Minute, "the end of the last service", func() error { return b.gone(t, cluster, service) })
	if took := time.Since(began); took < grace {
		t.Errorf("gone %v after the start of a controller with a grace of %v", took, grace)
	}
	b.sweeps(t, 2)
	if log := short.Output(); strings.Contains(log, "sweep failed") || strings.Contains(log, "cannot be empty") {
		t.Errorf("a cluster without tasks is not swept:\n%s", short.Tail(10))
	}
	b.mesh(cluster, service)
	if now := b.agreed(t, time.Minute, secret); now.AccessorID == before.AccessorID {
		t.Error("the token that was deleted is back")
	}
	b.discreet(t, short)
	stopped(t, short)
}

// A token deleted by hand comes back with its IDs within a sweep; a secret
// emptied by hand is filled again by the next audit, with the token that there
// is. The same for the token of the client agents.
func damageIsRepaired(t *testing.T, b *aclBed) {
	const cluster, service = "repair", "repair-web"
	b.cloud.Secrets.Set(clientSecret, "{}")
	b.mesh(cluster, service)
	p := b.start(t, "controller", cluster, "--interval", "50ms", "--audit-interval", "500ms", "--consul-client-secret-arn", clientSecret)
	for _, secret := range []string{aclPrefix + "-" + service, clientSecret} {
		token := b.agreed(t, time.Minute, secret)
		if _, err := b.consul.API.ACL().TokenDelete(token.AccessorID, nil); err != nil {
			t.Fatal(err)
		}
		again := b.agreed(t, time.Minute, secret)
		if again.AccessorID != token.AccessorID || again.SecretID != token.SecretID || again.Description != token.Description {
			t.Errorf("%s: deleted by hand, the token came back as %s %q, was %s %q", secret, again.AccessorID, again.Description, token.AccessorID, token.Description)
		}
		if fmt.Sprint(names(again.Policies)) != fmt.Sprint(names(token.Policies)) {
			t.Errorf("%s: policies %v, were %v", secret, names(again.Policies), names(token.Policies))
		}
		b.cloud.Secrets.Set(secret, "{}")
		refilled := b.agreed(t, time.Minute, secret)
		if refilled.AccessorID != token.AccessorID || refilled.SecretID != token.SecretID {
			t.Errorf("%s: emptied by hand, it was filled with another token", secret)
		}
	}
	b.sweeps(t, 3)
	if n := len(b.owned(t, cluster)); n != 1 {
		t.Errorf("%d service tokens, want 1", n)
	}
	b.discreet(t, p)
	stopped(t, p)
}

// A dry run says what would be done, in words without secrets, and makes no
// call that writes: neither at AWS nor at Consul.
func dryRun(t *testing.T, b *aclBed) {
	const cluster, service = "dry", "dry-web"
	b.mesh(cluster, service)
	tap := newConsulTap(t, b.consul.HTTP)
	argv, env := b.command(t, tap.URL, cluster, "--dry-run", "--create-secrets", "--ha")
	p := harness.Start(t, "dry", argv, env)
	ended(t, p, time.Minute, 0)
	for _, want := range []string{
		"dry-web: fill secret shop-dry-web with new IDs\n",
		"dry-web: create policy dry-web-service\n",
		"dry-web: create token with the IDs of the secret, policies [dry-web-service]\n",
	} {
		if !strings.Contains(p.Output(), want) {
			t.Errorf("it does not say %q:\n%s", want, p.Output())
		}
	}
	if n := tap.count(isWrite); n != 0 || tap.count(nil) == 0 {
		t.Errorf("Consul: %d writes in %d calls", n, tap.count(nil))
	}
	for api, n := range b.cloud.Calls() {
		switch api {
		case "ecs:ListTasks", "ecs:DescribeTasks", "secretsmanager:GetSecretValue":
		default:
			t.Errorf("%d calls of %s", n, api)
		}
	}
	if err := b.gone(t, cluster, service); err != nil {
		t.Errorf("a dry run left something: %v", err)
	}
}

// Others have taken most of ECS's quota: what is refused is asked for again, and
// the sweep is complete.
func throttledByECS(t *testing.T, b *aclBed) {
	const cluster = "busy"
	for i := range 700 {
		b.cloud.ECS.Run(cluster, "fam", map[string]string{"consul.hashicorp.com/mesh": fmt.Sprint(i > 650), "consul.hashicorp.com/service-name": "busy-web"})
	}
	b.cloud.Secrets.Set(aclPrefix+"-busy-web", "{}")
	bucket := awsfake.NewBucket(6, 2)
	b.cloud.ECS.Limit(bucket)
	argv, env := b.command(t, b.consul.HTTP, cluster, "--once")
	ended(t, harness.Start(t, "throttled", argv, env), time.Minute, 0)
	if _, err := b.agree(aclPrefix + "-busy-web"); err != nil {
		t.Error(err)
	}
	calls := b.cloud.Calls()["ecs:ListTasks"] + b.cloud.Calls()["ecs:DescribeTasks"]
	if refused := bucket.Throttled(); refused == 0 || calls-refused != 14 || refused > 14 {
		t.Errorf("%d calls, %d of them throttled, want 14 answered, and some throttled but not more", calls, refused)
	}
}

// ECS's lists and Secrets Manager's reads lag behind, and tasks drop out of a
// list and come back: one token per service, the secret written once.
func lateAWS(t *testing.T, b *aclBed) {
	const cluster, service, secret = "late", "late-web", aclPrefix + "-late-web"
	b.cloud.ECS.Lag(300 * time.Millisecond)
	b.cloud.Secrets.Lag(700 * time.Millisecond)
	for range 3 {
		b.mesh(cluster, service)
	}
	// Its {} is shown first: a secret that looks as if it had no value yet would be
	// written twice, with one content.
	api := secretsmanager.NewFromConfig(b.cloud.Config())
	harness.Eventually(t, time.Minute, "the secret is shown", func() error {
		_, err := api.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secret)})
		return err
	})
	lists := 0
	b.cloud.ECS.Order(func(arns []string) { // called under the fake's lock
		if lists++; lists%3 == 0 {
			clear(arns)
		}
	})
	p := b.start(t, "controller", cluster, "--interval", "100ms", "--audit-interval", "100ms", "--deletion-grace", "0s")
	b.agreed(t, time.Minute, secret)
	first := b.agreed(t, time.Minute, secret)
	b.sweeps(t, 12) // well beyond what is shown late
	if now := b.agreed(t, time.Minute, secret); now.AccessorID != first.AccessorID {
		t.Error("the token was replaced")
	}
	if n := len(b.owned(t, cluster)); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
	if n := b.cloud.Secrets.Versions(secret); n != 2 {
		t.Errorf("the secret has had %d versions, want 2: {} and the token", n)
	}
	stopped(t, p)
}
