package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// legacyDefinition is what consul-ecs v0.4's module rendered, with the server to
// join, the task's address and the app put in.
func legacyDefinition(app, address, server string) map[string]any {
	type o = map[string]any
	config, _ := json.Marshal(o{"bootstrapDir": "/consul", "healthSyncContainers": []string{"shop"},
		"service": o{"name": "shop", "port": 8080, "tags": []string{"v4"}, "meta": o{"team": "shop"}},
		"proxy":   o{"upstreams": []any{o{"destinationName": "api", "localBindPort": 9191}}}})
	script := "cp /bin/consul /bin/consul-inject/consul\nECS_IPV4=$(curl -s $ECS_CONTAINER_METADATA_URI_V4 | jq -r '.Networks[0].IPv4Addresses[0]')\ncat << EOF > /consul/agent-defaults.hcl\n" +
		"addresses = {\n  dns = \"127.0.0.1\"\n  grpc = \"127.0.0.1\"\n  http = \"127.0.0.1\"\n}\nadvertise_addr = \"$ECS_IPV4\"\nadvertise_reconnect_timeout = \"15m\"\nclient_addr = \"0.0.0.0\"\n" +
		"datacenter = \"dc1\"\nenable_central_service_config = true\nleave_on_terminate = true\nports {\n  grpc = 8502\n}\nretry_join = [\n  \"" + server + "\",\n]\ntelemetry {\n  disable_compat_1.9 = true\n}\nEOF\n" +
		"exec consul agent -data-dir /consul/data -config-file /consul/agent-defaults.hcl\n"
	mount := func(readOnly bool) []any {
		return []any{o{"sourceVolume": "consul_data", "containerPath": "/consul", "readOnly": readOnly}}
	}
	return o{"family": "shop", "networkMode": "awsvpc", "requiresCompatibilities": []string{"FARGATE"}, "cpu": "256", "memory": "512",
		"volumes": []any{o{"name": "consul_data"}, o{"name": "consul_binary"}},
		"tags":    []any{o{"key": "consul.hashicorp.com/mesh", "value": "true"}, o{"key": "consul.hashicorp.com/service-name", "value": "shop"}},
		"containerDefinitions": []any{
			o{"name": "shop", "image": "shop:4", "essential": true, "entryPoint": []string{"/consul/consul-ecs", "app-entrypoint", "-shutdown-delay", "1s"},
				"command":     []string{app, "--name", "shop", "--listen", address + ":8080", "--upstream", "http://" + address + ":9191"},
				"healthCheck": o{"command": []string{"CMD", app, "--get", "http://" + address + ":8080/healthz"}, "interval": 5, "retries": 2},
				"environment": []any{o{"name": "COLOUR", "value": "blue"}}, "mountPoints": mount(true),
				"dependsOn": []any{o{"containerName": "consul-ecs-mesh-init", "condition": "SUCCESS"}, o{"containerName": "sidecar-proxy", "condition": "HEALTHY"}}},
			o{"name": "consul-ecs-mesh-init", "image": "hashicorp/consul-ecs:0.4.1", "essential": false, "command": []string{"mesh-init"}, "mountPoints": mount(false),
				"environment": []any{o{"name": "CONSUL_ECS_CONFIG_JSON", "value": string(config)}}},
			o{"name": "consul-client", "image": "hashicorp/consul:1.11.4", "essential": false, "entryPoint": []string{"/bin/sh", "-ec"}, "command": []string{script}, "mountPoints": mount(false)},
			o{"name": "sidecar-proxy", "image": "envoyproxy/envoy-alpine:v1.20.2", "essential": false, "entryPoint": []string{"/consul/consul-ecs", "envoy-entrypoint"},
				"command": []string{"envoy", "--config-path", "/consul/envoy-bootstrap.json"}, "mountPoints": mount(true),
				"dependsOn": []any{o{"containerName": "consul-ecs-mesh-init", "condition": "SUCCESS"}}},
			o{"name": "consul-ecs-health-sync", "image": "hashicorp/consul-ecs:0.4.1", "essential": false, "command": []string{"health-sync"},
				"environment": []any{o{"name": "CONSUL_ECS_CONFIG_JSON", "value": string(config)}}},
		}}
}

// agentlessDefinition is what consul-ecs 0.10's module rendered, likewise; its CAs are secrets.
func agentlessDefinition(app, address, server string) map[string]any {
	type o = map[string]any
	config, _ := json.Marshal(o{"bootstrapDir": "/consul", "consulLogin": o{}, "healthSyncContainers": []string{"shop"},
		"consulServers": o{"hosts": server, "skipServerWatch": false, "defaults": o{"tls": true, "tlsServerName": "server.dc1.consul", "caCertFile": ""},
			"http": o{"https": true, "port": 8501}, "grpc": o{"port": 8503}},
		"service":          o{"name": "shop", "port": 8080, "tags": []string{"v4"}, "meta": o{"team": "shop"}, "namespace": "", "partition": ""},
		"proxy":            o{"publicListenerPort": 20000, "healthCheckPort": 22000, "upstreams": []any{o{"destinationName": "api", "localBindPort": 9191}}},
		"transparentProxy": o{"enabled": false, "excludeInboundPorts": []int{}, "excludeUIDs": []string{}, "consulDNS": o{"enabled": false}}})
	document := []any{o{"name": "CONSUL_ECS_CONFIG_JSON", "value": string(config)}}
	cas := []any{o{"name": "CONSUL_HTTPS_CACERT_PEM", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca"},
		o{"name": "CONSUL_GRPC_CACERT_PEM", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca"}}
	after := []any{o{"containerName": "consul-ecs-mesh-init", "condition": "SUCCESS"}}
	mount := func(readOnly bool) []any {
		return []any{o{"sourceVolume": "consul_data", "containerPath": "/consul", "readOnly": readOnly}}
	}
	return o{"family": "shop", "networkMode": "awsvpc", "requiresCompatibilities": []string{"FARGATE"}, "cpu": "256", "memory": "512",
		"volumes": []any{o{"name": "consul_data"}, o{"name": "consul_binary"}},
		"tags":    []any{o{"key": "consul.hashicorp.com/mesh", "value": "true"}, o{"key": "consul.hashicorp.com/service-name", "value": "shop"}},
		"containerDefinitions": []any{
			o{"name": "shop", "image": "shop:4", "essential": true, "entryPoint": []string{"/consul/consul-ecs", "app-entrypoint", "-shutdown-delay", "1s"},
				"command":     []string{app, "--name", "shop", "--listen", address + ":8080", "--upstream", "http://" + address + ":9191"},
				"healthCheck": o{"command": []string{"CMD", app, "--get", "http://" + address + ":8080/healthz"}, "interval": 5, "retries": 2},
				"environment": []any{o{"name": "COLOUR", "value": "blue"}}, "mountPoints": mount(true),
				"dependsOn": []any{o{"containerName": "consul-dataplane", "condition": "HEALTHY"}}},
			o{"name": "consul-ecs-mesh-init", "image": "hashicorp/consul-ecs:0.10.0", "essential": false, "command": []string{"mesh-init"}, "mountPoints": mount(false),
				"environment": document, "secrets": cas},
			o{"name": "consul-dataplane", "image": "hashicorp/consul-dataplane:2.0.1", "essential": false, "user": "5995", "entryPoint": []string{"/consul/consul-ecs", "envoy-entrypoint"},
				"command": []string{"consul-dataplane", "-config-file", "/consul/consul-dataplane.json"}, "mountPoints": mount(true), "dependsOn": after},
			o{"name": "consul-ecs-health-sync", "image": "hashicorp/consul-ecs:0.10.0", "essential": false, "user": "5996", "command": []string{"health-sync"},
				"environment": document, "secrets": cas, "dependsOn": after},
		}}
}

// convertedContainer is what ECS would take from the new definition to start it.
type convertedContainer struct {
	Name        string
	EntryPoint  []string
	Command     []string
	Environment []struct{ Name, Value string }
	Secrets     []struct{ Name, ValueFrom string }
	HealthCheck struct{ Command []string }
}

// convertedTask runs the converter and returns the only container that is left.
func convertedTask(t *testing.T, bin string, definition map[string]any) convertedContainer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "old.json")
	text, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "meshtask"), "taskdef", "convert", file).Output()
	if err != nil {
		t.Fatalf("convert: %v", err)
	}
	var def struct{ ContainerDefinitions []convertedContainer }
	if err := json.Unmarshal(out, &def); err != nil || len(def.ContainerDefinitions) != 1 {
		t.Fatalf("%v: want one container:\n%s", err, out)
	}
	return def.ContainerDefinitions[0]
}

// A task definition of consul-ecs is converted and lived in: what it says is
// executed, with the environment that ECS would make and nothing else, and is in
// the mesh under the same name, ID, tags, meta and check as before.
func TestConvertedTaskLives(t *testing.T) {
	t.Parallel()
	convertedLives(t, harness.StartServer(t, harness.ServerConfig{}), legacyDefinition, "")
}

// One of consul-ecs 0.10 lives without an agent, as it did, over TLS.
func TestConvertedAgentlessTaskLives(t *testing.T) {
	t.Parallel()
	server, ca := tlsServer(t)
	convertedLives(t, server, agentlessDefinition, ca)
}

// convertedLives lives in a definition; secret is the value of each of its container's secrets.
func convertedLives(t *testing.T, server *harness.Server, definition func(app, address, server string) map[string]any, secret string) {
	t.Helper()
	const id = "0a1b2c3d4e5f"
	bin := programs(t)
	called := startTask(t, server, "convert-api", "api", nil)
	address, dir := harness.Address(t), filepath.Join(t.TempDir(), "state")
	c := convertedTask(t, bin, definition(filepath.Join(bin, "app"), address, server.Address))
	env := []string{"PATH=" + bin, "MESHTASK_DIR=" + dir, "ECS_CONTAINER_METADATA_URI_V4=" + harness.StartEndpoint(t, id, "shop", address, c.Name).URI}
	for _, e := range c.Environment {
		env = append(env, e.Name+"="+e.Value)
	}
	for _, s := range c.Secrets {
		env = append(env, s.Name+"="+secret)
	}
	argv := append(slices.Clone(c.EntryPoint), c.Command...)
	argv[0] = filepath.Join(bin, argv[0])
	p := harness.Start(t, "converted", argv, env)
	server.Passing(t, soon, "shop", 1)
	called.up(t)
	answers(t, "http://"+address+":8080/call", 200, "hello from convert-api")
	answers(t, "http://"+address+":8080/env?name=COLOUR", 200, "blue")
	asBefore(t, server, id)

	check := append([]string{filepath.Join(bin, c.HealthCheck.Command[1])}, c.HealthCheck.Command[2:]...)
	health := exec.CommandContext(t.Context(), check[0], check[1:]...)
	health.Env = env
	if out, err := health.CombinedOutput(); err != nil {
		t.Errorf("%v: %v: %s", check, err, out)
	}
	began := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, soon, "the app's TERM", func() error {
		if !strings.Contains(p.Output(), "shop got terminated") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if d := time.Since(began); d < time.Second {
		t.Errorf("the app was told after %v, and app-entrypoint held TERM back for 1s", d)
	}
	if code := p.Wait(t, soon); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.Tail(20))
	}
	if agent := strings.Contains(p.Output(), "unit=consul-agent"); agent != (secret == "") {
		t.Errorf("there is an agent: %v", agent)
	}
	called.term(t)
	called.ended(t, 0)
	server.Empty(t, soon)
}

// The old configuration works without converting, as docs/from-consul-ecs.md says:
// the variable that mesh-init had, unchanged, and the servers' address.
func TestConsulECSConfigurationLives(t *testing.T) {
	t.Parallel()
	const id = "0a1b2c3d4e5f"
	server := harness.StartServer(t, harness.ServerConfig{})
	address := harness.Address(t)
	old := legacyDefinition("app", address, server.Address)["containerDefinitions"].([]any)[1].(map[string]any)["environment"].([]any)[0].(map[string]any)
	k := harness.StartTask(t, harness.TaskConfig{Name: "unconverted", CMD: []string{harness.App(t), "--name", "shop", "--listen", address + ":8080"},
		Env: []string{"CONSUL_ECS_CONFIG_JSON=" + old["value"].(string), "MESHTASK_RETRY_JOIN=" + server.Address,
			"ECS_CONTAINER_METADATA_URI_V4=" + harness.StartEndpoint(t, id, "shop", address, "shop").URI}})
	server.Passing(t, soon, "shop", 1)
	asBefore(t, server, id)
	if out := k.Output(); !strings.Contains(out, "is meshtask's own container") {
		t.Errorf("nothing is said of healthSyncContainers:\n%s", out)
	}
	if err := k.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := k.Wait(t, soon); code != 0 {
		t.Errorf("exit code %d:\n%s", code, k.Tail(20))
	}
	server.Empty(t, soon)
}

// asBefore compares the registration with consul-ecs's.
func asBefore(t *testing.T, server *harness.Server, id string) {
	t.Helper()
	list, err := server.Instances("shop")
	if err != nil || len(list) != 1 {
		t.Fatalf("%d instances, %v", len(list), err)
	}
	s := list[0].Service
	if s.ID != "shop-"+id || s.Port != 8080 || !slices.Equal(s.Tags, []string{"v4"}) || s.Meta["team"] != "shop" || s.Meta["task-id"] != id || s.Meta["source"] != "consul-ecs" {
		t.Errorf("service %+v", s)
	}
	checks, _, err := server.API.Health().Checks("shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(checks, func(c *api.HealthCheck) bool {
		return c.CheckID == "shop-"+id+"-shop-consul-ecs" && c.Status == api.HealthPassing
	}) {
		t.Errorf("no check of the same ID is passing: %+v", checks)
	}
	proxies, err := server.Instances("shop-sidecar-proxy")
	if err != nil || len(proxies) != 1 || proxies[0].Service.ID != "shop-"+id+"-sidecar-proxy" {
		t.Errorf("sidecar %+v, %v", proxies, err)
	}
}
