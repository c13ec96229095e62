package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/hashicorp/consul/api"

	"meshtask/acl/iam"
	"meshtask/e2e/harness"
	"meshtask/internal/event"
	"meshtask/internal/testbed/awsfake"
)

const (
	loginMethod  = "iam-ecs-service-token"
	loginCluster = "arn:aws:ecs:us-east-1:123456789012:cluster/prod"
	tagName      = "consul.hashicorp.com.service-name"
)

// loginBed is a real Consul server with ACLs and the auth method that consul-ecs
// v0.5 and v0.6 set up, pointed at a fake STS and IAM.
func loginBed(t *testing.T, serverID string, roles ...awsfake.Role) (*harness.Server, *awsfake.IAM) {
	t.Helper()
	fake := awsfake.NewIAM(t.Cleanup, roles...)
	s := harness.StartServer(t, harness.ServerConfig{ACL: true})
	method := &api.ACLAuthMethod{Name: loginMethod, Type: "aws-iam", Config: map[string]any{
		"BoundIAMPrincipalARNs":  []string{"arn:aws:iam::123456789012:role/consul-ecs/*"},
		"EnableIAMEntityDetails": true,
		"IAMEntityTags":          []string{tagName},
		"STSEndpoint":            fake.URL, "IAMEndpoint": fake.URL,
	}}
	if serverID != "" {
		method.Config["ServerIDHeaderValue"] = serverID
	}
	if _, _, err := s.API.ACL().AuthMethodCreate(method, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.API.ACL().BindingRuleCreate(&api.ACLBindingRule{AuthMethod: loginMethod,
		BindType: api.BindingRuleBindTypeService, BindName: "${entity_tags." + tagName + "}"}, nil); err != nil {
		t.Fatal(err)
	}
	return s, fake
}

func loginRole(name string) awsfake.Role {
	return awsfake.Role{Name: name + "-role", Path: "/consul-ecs/", Tags: map[string]string{tagName: name},
		Keys: aws.Credentials{AccessKeyID: "ASIA" + strings.ToUpper(name), SecretAccessKey: "key-of-" + name, SessionToken: "session-of-" + name}}
}

func loginClient(t *testing.T, s *harness.Server, fake *awsfake.IAM, role awsfake.Role, change func(*iam.Config)) *iam.Client {
	t.Helper()
	cfg := iam.Config{Server: s.HTTP, TaskID: "0a1b2c", Cluster: loginCluster, Entity: true, Region: "us-east-1",
		STSEndpoint: fake.URL, IAMEndpoint: fake.URL,
		Credentials: credentials.NewStaticCredentialsProvider(role.Keys.AccessKeyID, role.Keys.SecretAccessKey, role.Keys.SessionToken)}
	if change != nil {
		change(&cfg)
	}
	c, err := iam.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestLoginWithARealConsulServer(t *testing.T) {
	t.Parallel()
	role := loginRole("web")
	s, fake := loginBed(t, "", role)
	c := loginClient(t, s, fake, role, nil)
	ctx := t.Context()
	token, err := c.Login(ctx, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}

	have, _, err := s.API.ACL().TokenRead(token.AccessorID, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The controllers of consul-ecs v0.5 and later find the tokens of ended tasks by this text.
	want := fmt.Sprintf(`token created via login: {"consul.hashicorp.com/cluster":%q,"consul.hashicorp.com/task-id":"0a1b2c"}`, loginCluster)
	if have.Description != want {
		t.Errorf("description %q\nwant        %q", have.Description, want)
	}
	if len(have.ServiceIdentities) != 1 || have.ServiceIdentities[0].ServiceName != "web" {
		t.Errorf("service identities %+v, want web", have.ServiceIdentities)
	}
	mine := harness.Client(t, s.HTTP, token.SecretID.Reveal())
	if err := mine.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web"}); err != nil {
		t.Errorf("cannot register the own service: %v", err)
	}
	if err := mine.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "api"}); err == nil {
		t.Error("registered a service of somebody else")
	}

	if err := c.Logout(ctx, token, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.API.ACL().TokenRead(token.AccessorID, nil); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("after logout the token reads: %v", err)
	}
	if err := c.Logout(ctx, token, 30*time.Second); err != nil {
		t.Errorf("a second logout: %v", err)
	}
}

// What Consul refuses is said with Consul's words, and with what usually helps.
func TestLoginRefusedByARealConsulServer(t *testing.T) {
	t.Parallel()
	good, stranger, forged := loginRole("good"), loginRole("stranger"), loginRole("forged")
	stranger.Path, forged.Mismatch = "/elsewhere/", true
	s, fake := loginBed(t, "consul.example.com", good, stranger, forged)
	id := func(v string) func(*iam.Config) { return func(c *iam.Config) { c.ServerID = v } }
	for name, c := range map[string]struct {
		role       awsfake.Role
		change     func(*iam.Config)
		says, hint string
	}{
		"untrusted role":  {stranger, id("consul.example.com"), "is not trusted", "BoundIAMPrincipalARNs"},
		"forged role":     {forged, id("consul.example.com"), "unique id mismatch", ""},
		"wrong server ID": {good, id("another.example.com"), "consul.example.com", ""},
		"no server ID":    {good, nil, "missing header", ""},
		"no details":      {good, func(c *iam.Config) { c.ServerID, c.Entity = "consul.example.com", false }, "X-Consul-IAM-GetEntity", "includeEntity"},
		"no such method":  {good, func(c *iam.Config) { c.Method = "nope" }, "not found", "nope"},
	} {
		t.Run(name, func(t *testing.T) {
			var hints []string
			cl := loginClient(t, s, fake, c.role, func(cfg *iam.Config) {
				if c.change != nil {
					c.change(cfg)
				}
				cfg.Report = func(e event.Event) {
					if w, ok := e.(event.Waiting); ok {
						hints = append(hints, w.Fix)
					}
				}
			})
			_, err := cl.Login(t.Context(), 2*time.Second)
			if err == nil || !strings.Contains(err.Error(), "tried for") || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q until the end of the wait", err, c.says)
			}
			if !strings.Contains(strings.Join(hints, "\n"), c.hint) {
				t.Errorf("hints %q, want %q", hints, c.hint)
			}
		})
	}
	cl := loginClient(t, s, fake, good, id("consul.example.com"))
	if _, err := cl.Login(t.Context(), 30*time.Second); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// A task may be up before its auth method is.
func TestLoginWaitsForTheAuthMethod(t *testing.T) {
	t.Parallel()
	role := loginRole("early")
	s, fake := loginBed(t, "", role)
	method, _, err := s.API.ACL().AuthMethodRead(loginMethod, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.API.ACL().AuthMethodDelete(loginMethod, nil); err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 1)
	c := loginClient(t, s, fake, role, func(cfg *iam.Config) {
		cfg.Report = func(e event.Event) {
			if _, ok := e.(event.Waiting); ok {
				select {
				case refused <- struct{}{}:
				default:
				}
			}
		}
	})
	end := make(chan error, 1)
	go func() {
		_, err := c.Login(t.Context(), 30*time.Second)
		end <- err
	}()
	<-refused
	if _, _, err := s.API.ACL().AuthMethodCreate(&api.ACLAuthMethod{Name: method.Name, Type: method.Type, Config: method.Config}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.API.ACL().BindingRuleCreate(&api.ACLBindingRule{AuthMethod: loginMethod,
		BindType: api.BindingRuleBindTypeService, BindName: "early"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-end; err != nil {
		t.Error(err)
	}
}
