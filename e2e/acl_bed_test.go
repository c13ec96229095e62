package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// aclBed is a real Consul server with ACLs, a fake cloud that enforces the IAM
// policies of deploy/, and the least privileged token that a controller needs.
type aclBed struct {
	consul *harness.Server
	cloud  *awsfake.Cloud
	token  string
}

const aclPrefix = "shop"

func newACLBed(t testing.TB) *aclBed {
	t.Helper()
	b := &aclBed{consul: harness.StartServer(t, harness.ServerConfig{ACL: true}), cloud: awsfake.New(t.Cleanup)}
	b.token = b.grant(t, "acl-controller", aclRules(t))
	b.cloud.Enforce(aclPolicy(t, "controller-role.json", "controller-role-create-secrets.json"))
	return b
}

// aclRules are the least rights of a controller.
func aclRules(t testing.TB) string {
	t.Helper()
	rules, err := os.ReadFile(filepath.Join(harness.Root(t), "deploy", "consul", "acl-controller.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(rules)
}

// beside is the same Consul server with a cloud of its own, for a test whose
// services, and so policies, have other names.
func (b *aclBed) beside(t testing.TB) *aclBed {
	t.Helper()
	other := &aclBed{consul: b.consul, cloud: awsfake.New(t.Cleanup), token: b.token}
	other.cloud.Enforce(aclPolicy(t, "controller-role.json", "controller-role-create-secrets.json"))
	return other
}

// grant makes a policy and a token with it.
func (b *aclBed) grant(t testing.TB, name, rules string) string {
	t.Helper()
	if _, _, err := b.consul.API.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := b.consul.API.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: name}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token.SecretID
}

func aclPolicy(t testing.TB, names ...string) *awsfake.Policy {
	t.Helper()
	var all awsfake.Policy
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), "deploy", "iam", name))
		if err != nil {
			t.Fatal(err)
		}
		p, err := awsfake.ParsePolicy([]byte(strings.NewReplacer("REGION", awsfake.Region, "ACCOUNT", awsfake.Account,
			"PREFIX", aclPrefix).Replace(string(text))))
		if err != nil {
			t.Fatal(err)
		}
		all.Statement = append(all.Statement, p.Statement...)
	}
	return &all
}

// mesh runs a task of a service, with its secret beside it as Terraform makes it.
func (b *aclBed) mesh(cluster, service string) string {
	b.cloud.ECS.AddCluster(cluster)
	if _, ok := b.cloud.Secrets.Get(aclPrefix + "-" + service); !ok {
		b.cloud.Secrets.Set(aclPrefix+"-"+service, "{}")
	}
	return b.cloud.ECS.Run(cluster, "family-of-"+service, map[string]string{
		"consul.hashicorp.com/mesh": "true", "consul.hashicorp.com/service-name": service})
}

// command is the command line and environment of a controller.
func (b *aclBed) command(t testing.TB, consul, cluster string, flags ...string) (argv, env []string) {
	t.Helper()
	argv = append([]string{harness.Meshtask(t), "acl-controller", "--cluster", awsfake.ClusterARN(cluster),
		"--secret-name-prefix", aclPrefix}, flags...)
	env = append(b.cloud.Environment(), "PATH=/usr/bin:/bin", "HOME=/nonexistent", "GORACE=atexit_sleep_ms=0",
		"CONSUL_HTTP_ADDR="+consul, "CONSUL_HTTP_TOKEN="+b.token)
	return argv, env
}

func (b *aclBed) start(t testing.TB, name, cluster string, flags ...string) *harness.Process {
	t.Helper()
	argv, env := b.command(t, b.consul.HTTP, cluster, append([]string{"--interval", "300ms", "--audit-interval", "2s"}, flags...)...)
	return harness.Start(t, name, argv, env)
}

// tokenOf is the reference to the token in a secret.
func tokenOf(secret string) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s:token::", awsfake.Region, awsfake.Account, secret)
}

// creds reads a secret as a task would.
func (b *aclBed) creds(secret string) (accessor, token string, err error) {
	text, ok := b.cloud.Secrets.Get(secret)
	if !ok {
		return "", "", fmt.Errorf("secret %s does not exist", secret)
	}
	var v struct {
		AccessorID string `json:"accessor_id"`
		Token      string `json:"token"`
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return "", "", err
	}
	if v.AccessorID == "" || v.Token == "" {
		return "", "", errors.New("the secret is empty")
	}
	return v.AccessorID, v.Token, nil
}

// agree says whether a secret and Consul agree on a token.
func (b *aclBed) agree(secret string) (*api.ACLToken, error) {
	accessor, token, err := b.creds(secret)
	if err != nil {
		return nil, err
	}
	have, _, err := b.consul.API.ACL().TokenRead(accessor, nil)
	if err != nil {
		return nil, err
	}
	if have.SecretID != token {
		return nil, fmt.Errorf("secret %s and token %s differ", secret, accessor)
	}
	return have, nil
}

func (b *aclBed) agreed(t testing.TB, limit time.Duration, secret string) *api.ACLToken {
	t.Helper()
	var have *api.ACLToken
	harness.Eventually(t, limit, "secret "+secret+" and its token", func() (err error) {
		have, err = b.agree(secret)
		return err
	})
	return have
}

// owned lists the tokens of a cluster.
func (b *aclBed) owned(t testing.TB, cluster string) []string {
	t.Helper()
	list, _, err := b.consul.API.ACL().TokenList(&api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		if strings.HasSuffix(e.Description, "\nconsul.hashicorp.com/cluster: "+awsfake.ClusterARN(cluster)) {
			out = append(out, e.AccessorID)
		}
	}
	return out
}

// ended waits for a process's end within limit, and its code.
func ended(t testing.TB, p *harness.Process, limit time.Duration, want int) {
	t.Helper()
	began := time.Now()
	if code := p.Wait(t, limit); code != want {
		t.Errorf("%s: exit code %d, want %d\n%s", p.Name, code, want, p.Tail(20))
	}
	t.Logf("%s ended in %v", p.Name, time.Since(began).Round(time.Millisecond))
}
