package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/iam"
	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// consulECSInstallation adds to loginBed what the controller of consul-ecs v0.5 and v0.6 has
// made beside the services' auth method: for client agents, and for the anonymous token.
func consulECSInstallation(t *testing.T, s *harness.Server, fake *awsfake.IAM) {
	t.Helper()
	acl := s.API.ACL()
	for _, p := range []api.ACLPolicy{
		{Name: "consul-ecs-client-policy", Description: "Consul Client Token Policy for ECS", Rules: `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`},
		{Name: "anonymous-token-policy", Description: "Anonymous token Policy", Rules: `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`},
	} {
		if _, _, err := acl.PolicyCreate(&p, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := acl.TokenUpdate(&api.ACLToken{AccessorID: "00000000-0000-0000-0000-000000000002", Policies: []*api.ACLLink{{Name: "anonymous-token-policy"}}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.RoleCreate(&api.ACLRole{Name: "consul-ecs-client-role", Policies: []*api.ACLLink{{Name: "consul-ecs-client-policy"}}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.AuthMethodCreate(&api.ACLAuthMethod{Name: clientMethod, Type: "aws-iam", Config: map[string]any{
		"BoundIAMPrincipalARNs": []string{"arn:aws:iam::123456789012:role/consul-ecs/*"}, "EnableIAMEntityDetails": true,
		"STSEndpoint": fake.URL, "IAMEndpoint": fake.URL}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.BindingRuleCreate(&api.ACLBindingRule{AuthMethod: clientMethod,
		BindType: api.BindingRuleBindTypeRole, BindName: "consul-ecs-client-role"}, nil); err != nil {
		t.Fatal(err)
	}
}

// consulECSTask is a task as consul-ecs v0.5 and v0.6 run it, played by hand: its containers,
// its registrations, and its tokens, each by a login of the task's role. It runs the Consul of
// the servers, as an installation does that has not been upgraded.
type consulECSTask struct {
	t                   *testing.T
	server              *harness.Server
	id, service         string
	address             string
	local               *api.Client // the agent, by the service's token
	agent, envoy, app   *harness.Process
	serviceToken, token iam.Token // the service's, the agent's
}

func (k *consulECSTask) serviceID() string { return k.service + "-" + k.id }

// checkID is the TTL check of the one container that is synced.
func (k *consulECSTask) checkID() string { return k.serviceID() + "-app-consul-ecs" }

// startConsulECS starts the task; its app calls upstream at port 9191.
func startConsulECS(t *testing.T, s *harness.Server, fake *awsfake.IAM, role awsfake.Role, id, cluster, service, upstream string) *consulECSTask {
	t.Helper()
	k := &consulECSTask{t: t, server: s, id: id, service: service, address: harness.Address(t)}
	k.serviceToken, k.token = loginOf(t, s, fake, role, loginMethod, id, cluster), loginOf(t, s, fake, role, clientMethod, id, cluster)
	k.app = harness.Start(t, service+"-consul-ecs", []string{harness.App(t), "--name", service + "-consul-ecs", "--listen", k.address + ":8080"}, nil)
	k.startAgent()
	k.register(upstream)
	k.startEnvoy()
	if err := k.local.Agent().UpdateTTL(k.checkID(), `ECS health status is "HEALTHY" for task "`+k.checkID()+`"`, "passing"); err != nil {
		t.Fatal(err)
	}
	return k
}

// loginOf logs a task in by an auth method.
func loginOf(t *testing.T, s *harness.Server, fake *awsfake.IAM, role awsfake.Role, method, id, cluster string) iam.Token {
	t.Helper()
	token, err := loginClient(t, s, fake, role, func(c *iam.Config) { c.Method, c.TaskID, c.Cluster = method, id, cluster }).Login(t.Context(), soon)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// startAgent is the container consul-client: its settings, less what Consul refuses by now.
func (k *consulECSTask) startAgent() {
	t := k.t
	t.Helper()
	dir := t.TempDir()
	doc, err := json.Marshal(map[string]any{
		"addresses":      map[string]any{"dns": k.address, "grpc": k.address, "http": k.address},
		"advertise_addr": k.address, "bind_addr": k.address, "client_addr": k.address, "advertise_reconnect_timeout": "15m",
		"datacenter": "dc1", "enable_central_service_config": true, "leave_on_terminate": true,
		"ports": map[string]any{"grpc": 8502, "dns": -1}, "retry_join": []string{k.server.Address}, "retry_interval": "1s",
		"acl":       map[string]any{"enabled": true, "default_policy": "deny", "down_policy": "async-cache", "tokens": map[string]any{"agent": k.token.SecretID.Reveal()}},
		"data_dir":  filepath.Join(dir, "data"),
		"node_name": "consul-ecs-" + k.id, // it has its host's name on ECS
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "agent-defaults.json"), doc, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	k.agent = harness.Start(t, "consul-client", []string{harness.ServerConsul(t), "agent", "-config-file", filepath.Join(dir, "agent-defaults.json")},
		[]string{"PATH=/usr/bin:/bin", "HOME=" + dir})
	k.local = harness.Client(t, k.address+":8500", k.serviceToken.SecretID.Reveal())
	harness.Eventually(t, soon, "the agent of consul-ecs knows a leader", func() error {
		leader, err := k.local.Status().Leader()
		if err == nil && leader == "" {
			err = errors.New("none")
		}
		return err
	})
}

// register is mesh-init's part: its payloads, with the addresses that several tasks on one
// machine need.
func (k *consulECSTask) register(upstream string) {
	t := k.t
	t.Helper()
	meta := map[string]string{"task-id": k.id, "task-arn": "arn:aws:ecs:us-east-1:123456789012:task/test/" + k.id, "source": "consul-ecs"}
	proxyID := k.serviceID() + "-sidecar-proxy"
	for _, r := range []*api.AgentServiceRegistration{
		{ID: k.serviceID(), Name: k.service, Port: 8080, Meta: meta, Checks: api.AgentServiceChecks{{CheckID: k.checkID(), Name: "consul ecs synced", TTL: "100000h",
			Notes: "consul-ecs created and updates this check because the ${containerName} container is essential and has an ECS health check."}}},
		{ID: proxyID, Name: k.service + "-sidecar-proxy", Kind: api.ServiceKindConnectProxy, Port: 20000, Meta: meta,
			Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: k.service, DestinationServiceID: k.serviceID(), LocalServicePort: 8080,
				LocalServiceAddress: k.address, Config: map[string]any{"bind_address": k.address},
				Upstreams: []api.Upstream{{DestinationName: upstream, LocalBindPort: 9191, LocalBindAddress: k.address}}},
			Checks: api.AgentServiceChecks{
				{Name: "Proxy Public Listener", TCP: k.address + ":20000", Interval: "10s", DeregisterCriticalServiceAfter: "10m"},
				{Name: "Destination Alias", AliasService: k.serviceID()},
			}},
	} {
		harness.Eventually(t, soon, "the registration of "+r.ID, func() error { return k.local.Agent().ServiceRegister(r) })
	}
}

// startEnvoy is the rest of mesh-init, and the container sidecar-proxy.
func (k *consulECSTask) startEnvoy() {
	t := k.t
	t.Helper()
	dir := t.TempDir()
	file, token := filepath.Join(dir, "envoy-bootstrap.json"), filepath.Join(dir, "service-token")
	if err := os.WriteFile(token, []byte(k.serviceToken.SecretID.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	made := harness.Start(t, "mesh-init", []string{harness.ServerConsul(t), "connect", "envoy", "-proxy-id", k.serviceID() + "-sidecar-proxy", "-bootstrap",
		"-grpc-addr=" + k.address + ":8502", "-http-addr=http://" + k.address + ":8500", "-admin-bind=" + k.address + ":19000", "-token-file=" + token, "-ignore-envoy-compatibility"},
		[]string{"PATH=/usr/bin:/bin", "HOME=" + dir})
	if code := made.Wait(t, soon); code != 0 {
		t.Fatalf("consul connect envoy: %d\n%s", code, made.Output())
	}
	if err := os.WriteFile(file, []byte(made.Output()), 0o600); err != nil {
		t.Fatal(err)
	}
	k.envoy = harness.Start(t, "sidecar-proxy", []string{harness.Envoy(t), "--config-path", file, "--use-dynamic-base-id", "--log-level", "warning"}, nil)
}

// leaves is what health-sync does at TERM, critical, and consul-client.
func (k *consulECSTask) leaves() {
	t := k.t
	t.Helper()
	if err := k.local.Agent().UpdateTTL(k.checkID(), `ECS health status is "UNHEALTHY" for task "`+k.checkID()+`"`, "critical"); err != nil {
		t.Fatal(err)
	}
	k.term(k.agent)
}

// ends is what is left of the stop: the app, after the delay of app-entrypoint, then Envoy.
func (k *consulECSTask) ends() {
	k.t.Helper()
	for _, p := range []*harness.Process{k.app, k.envoy, k.agent} {
		k.term(p)
		p.Wait(k.t, soon)
	}
}

func (k *consulECSTask) term(p *harness.Process) {
	k.t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		k.t.Fatal(err)
	}
}

// startFromDocument starts meshtask with nothing but a document of consul-ecs v0.6, the
// metadata endpoint and the task role. upstream "" is none.
func startFromDocument(t *testing.T, s *harness.Server, fake *awsfake.IAM, role awsfake.Role, name, id, service, upstream string) member {
	t.Helper()
	m := member{address: harness.Address(t), config: map[string]any{"task": map[string]any{"id": id}}}
	proxy := map[string]any{}
	if upstream != "" {
		proxy["upstreams"] = []any{map[string]any{"destinationName": upstream, "localBindPort": 9191}}
	}
	doc, err := json.Marshal(map[string]any{
		"bootstrapDir": filepath.Join(t.TempDir(), "consul"), "consulHTTPAddr": "http://" + s.HTTP,
		"consulLogin": map[string]any{"enabled": true}, "service": map[string]any{"name": service, "port": 8080},
		"proxy": proxy,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: name, Args: []string{"run", "--retry-join", s.Address},
		CMD: []string{harness.App(t), "--name", name, "--listen", m.address + ":8080"},
		Env: []string{"CONSUL_ECS_CONFIG_JSON=" + string(doc),
			"ECS_CONTAINER_METADATA_URI_V4=" + harness.StartEndpoint(t, id, service, m.address, "main").URI,
			"AWS_ACCESS_KEY_ID=" + role.Keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + role.Keys.SecretAccessKey,
			"AWS_SESSION_TOKEN=" + role.Keys.SessionToken, "AWS_ENDPOINT_URL_STS=" + fake.URL, "AWS_ENDPOINT_URL_IAM=" + fake.URL}})
	m.up(t)
	return m
}

// aclObjects names everything of an installation's ACLs but tokens, with IDs: two of one kind,
// or a changed ID, show.
func aclObjects(t *testing.T, c *api.Client) string {
	t.Helper()
	var all []string
	methods, _, err := c.ACL().AuthMethodList(nil)
	for _, m := range methods {
		all = append(all, fmt.Sprintf("method %s %d", m.Name, m.CreateIndex))
	}
	roles, _, err2 := c.ACL().RoleList(nil)
	for _, r := range roles {
		all = append(all, fmt.Sprintf("role %s %s %d policies", r.Name, r.ID, len(r.Policies)))
	}
	policies, _, err3 := c.ACL().PolicyList(nil)
	for _, p := range policies {
		if p.Name != "acl-controller" { // ours, for the controller's own token
			all = append(all, fmt.Sprintf("policy %s %s", p.Name, p.ID))
		}
	}
	rules, _, err4 := c.ACL().BindingRuleList("", nil)
	for _, r := range rules {
		all = append(all, fmt.Sprintf("rule %s of %s to %s", r.ID, r.AuthMethod, r.BindName))
	}
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// inARow waits until so many answers of a URL in a row have the words, each on a connection
// of its own.
func inARow(t *testing.T, url string, n int, words string) {
	t.Helper()
	row := 0
	harness.Eventually(t, soon, fmt.Sprintf("%d answers with %q in a row", n, words), func() error {
		status, text, err := fetch(t.Context(), url)
		if row++; err != nil || status != 200 || !strings.Contains(text, words) {
			row = 0
		}
		if row < n {
			return fmt.Errorf("%d by now: %d %q, %v", row, status, text, err)
		}
		return nil
	})
}
