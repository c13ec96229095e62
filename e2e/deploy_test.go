package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// deployed is what deploy/ starts from: a Consul server that the containers of dev-server.json have
// set up, the controller, and a cloud with the secrets that they have made.
type deployed struct {
	bin, ca    string
	address    string // the server's
	api        *api.Client
	cloud      *awsfake.Cloud
	controller *harness.Process
}

// shipped reads a file of deploy/ with words replaced.
func shipped(t *testing.T, name string, into any, replace ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.NewReplacer(replace...).Replace(string(text))), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// secretsCLI is the AWS CLI as far as the dev server uses it: secrets are files.
const secretsCLI = `#!/bin/sh
[ "$1 $3" = "secretsmanager --secret-id" ] || exit 2
case $2 in
get-secret-value)
	[ -s "$SECRETS/$4" ] && exec cat "$SECRETS/$4"
	echo "An error occurred (ResourceNotFoundException) when calling the GetSecretValue operation" >&2
	exit 254
	;;
put-secret-value) [ "$5" = --secret-string ] && printf %s "$6" >"$SECRETS/$4" ;;
*) exit 2 ;;
esac
`

// startDeployed runs the containers of dev-server.json in their order, and the controller.
func startDeployed(t *testing.T) *deployed {
	t.Helper()
	d := &deployed{bin: programs(t), address: harness.Address(t), cloud: awsfake.New(t.Cleanup)}
	dir := t.TempDir()
	shared, secrets, tools := filepath.Join(dir, "shared"), filepath.Join(dir, "secrets"), filepath.Join(dir, "tools")
	for _, made := range []string{shared, secrets, tools} {
		if err := os.Mkdir(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(tools, "aws"), []byte(secretsCLI), 0o755); err != nil {
		t.Fatal(err)
	}
	var containers []convertedContainer
	shipped(t, "dev-server.json", &containers, "/consul/shared", shared, "/consul/data", filepath.Join(dir, "data"), "{{ GetPrivateIP }}", d.address, "0.0.0.0", d.address, "127.0.0.1", d.address,
		`\"bootstrap_expect\":1`, `\"bootstrap_expect\":1,\"disable_update_check\":true,\"performance\":{\"raft_multiplier\":1}`) // elected in a second
	path := "PATH=" + tools + ":" + filepath.Dir(harness.ServerConsul(t)) + ":" + os.Getenv("PATH")
	var server *harness.Process
	for _, c := range containers {
		env := []string{path, "SECRETS=" + secrets}
		for _, e := range c.Environment {
			if e.Name != "OWNER" { // of the image
				env = append(env, e.Name+"="+e.Value)
			}
		}
		argv := append(slices.Clone(c.EntryPoint), c.Command...)
		if argv[0] == "consul" {
			argv[0] = harness.ServerConsul(t)
		}
		p := harness.Start(t, c.Name, argv, env)
		if c.Name == "consul-server" {
			server = p
			continue
		}
		if code := p.Wait(t, soon); code != 0 {
			t.Fatalf("%s: exit code %d:\n%s", c.Name, code, p.Tail(20))
		}
	}
	if _, err := os.Stat(filepath.Join(shared, "ca-key")); err == nil {
		t.Error("the CA's key is left with the server")
	}
	d.established(t, server, secrets)
	return d
}

// established waits for the server, and starts the controller with the secrets that were made.
func (d *deployed) established(t *testing.T, server *harness.Process, secrets string) {
	t.Helper()
	for _, name := range []string{"ca-key", "ca-cert", "gossip-key", "bootstrap-token"} {
		text, err := os.ReadFile(filepath.Join(secrets, aclPrefix+"-"+name))
		if err != nil {
			t.Fatal(err)
		}
		d.cloud.Secrets.Set(aclPrefix+"-"+name, string(text))
	}
	d.ca, _ = d.cloud.Secrets.Get(aclPrefix + "-ca-cert")
	token, _ := d.cloud.Secrets.Get(aclPrefix + "-bootstrap-token")
	d.api = harness.Client(t, d.address+":8500", token)
	harness.Eventually(t, time.Minute, "a leader", func() error {
		select {
		case <-server.Done():
			t.Fatalf("the server has ended:\n%s", server.Tail(20))
		default:
		}
		nodes, _, err := d.api.Catalog().Nodes(nil)
		if err == nil && len(nodes) == 0 {
			err = fmt.Errorf("no node")
		}
		return err
	})
	d.startController(t, token)
}

func (d *deployed) startController(t *testing.T, token string) {
	t.Helper()
	d.cloud.ECS.AddCluster("test")
	d.cloud.Secrets.Set(clientSecret, "")
	argv := []string{filepath.Join(d.bin, "meshtask"), "acl-controller", "--cluster", awsfake.ClusterARN("test"), "--secret-name-prefix", aclPrefix,
		"--consul-client-secret-arn", clientSecret, "--interval", "300ms"}
	d.controller = harness.Start(t, "controller", argv, append(d.cloud.Environment(), "CONSUL_HTTP_ADDR=https://"+d.address+":8501",
		"CONSUL_TLS_SERVER_NAME=server."+aclPrefix+".internal", "CONSUL_HTTP_TOKEN="+token, "CONSUL_CACERT_PEM="+d.ca))
}

// definition is one of deploy/, for an address of its own: on loopback each task has that where ECS
// gives it a network.
type definition struct {
	Family               string
	ContainerDefinitions []struct {
		convertedContainer
		DependsOn []struct{ ContainerName, Condition string }
	}
	Tags []struct{ Key, Value string }

	address   string
	endpoints map[string]*harness.Endpoint
}

// definition reads a file of deploy/ that makes a service. programs are those of its images.
func (d *deployed) definition(t *testing.T, file, service string, programs ...string) *definition {
	t.Helper()
	def := &definition{address: harness.Address(t), endpoints: map[string]*harness.Endpoint{}}
	replace := []string{"consul.shop.internal", d.address, "127.0.0.1", def.address, ":8080/health", ":8080/healthz", `"/mesh`, `"` + t.TempDir(),
		`\"localBindPort\"`, `\"localBindAddress\":\"` + def.address + `\",\"localBindPort\"`}
	for i := 0; i < len(programs); i += 2 {
		replace = append(replace, `"`+programs[i]+`"`, `"`+programs[i+1]+`"`)
	}
	for short, letters := range map[string]string{"ca-cert": "AbCdEf", "gossip-key": "GhIjKl", "consul-client-token": "StUvWx", service: "MnOpQr"} {
		replace = append(replace, fmt.Sprintf("arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-%s-%s", short, letters), d.cloud.Secrets.Set(aclPrefix+"-"+short, ""))
	}
	shipped(t, file, def, replace...)
	for _, own := range def.ContainerDefinitions {
		e := harness.StartEndpoint(t, "0a1b2c3d4e5f"+service, def.Family, def.address, own.Name)
		for _, c := range def.ContainerDefinitions {
			if health := map[bool]string{true: "HEALTHY"}[len(c.HealthCheck.Command) > 0]; c.Name != own.Name {
				e.Set(c.Name, health, nil)
			}
		}
		def.endpoints[own.Name] = e
	}
	return def
}

// run starts the task as ECS does: first the containers that others wait for, then the rest at once.
func (d *deployed) run(t *testing.T, def *definition) map[string]*harness.Process {
	t.Helper()
	tags, first, running := map[string]string{}, map[string]bool{}, map[string]*harness.Process{}
	for _, tag := range def.Tags {
		tags[tag.Key] = tag.Value
	}
	d.cloud.ECS.Run("test", def.Family, tags)
	for _, c := range def.ContainerDefinitions {
		for _, on := range c.DependsOn {
			first[on.ContainerName] = true
		}
	}
	for _, c := range def.ContainerDefinitions {
		if first[c.Name] {
			if p := d.container(t, def, c.convertedContainer); p.Wait(t, soon) != 0 {
				t.Fatalf("%s:\n%s", c.Name, p.Tail(20))
			}
		}
	}
	for _, c := range def.ContainerDefinitions {
		if !first[c.Name] {
			running[c.Name] = d.container(t, def, c.convertedContainer)
		}
	}
	return running
}

func (d *deployed) container(t *testing.T, def *definition, c convertedContainer) *harness.Process {
	t.Helper()
	lease := def.address + ":9902"
	env := append(d.cloud.Environment(), "PATH="+d.bin+":"+os.Getenv("PATH"), "MESHTASK_DIR="+filepath.Join(t.TempDir(), "state"), "MESHTASK_MESH="+lease,
		"MESHTASK_ADMIN_LISTEN="+lease, "ECS_CONTAINER_METADATA_URI_V4="+def.endpoints[c.Name].URI)
	for _, e := range c.Environment {
		env = append(env, e.Name+"="+e.Value)
	}
	argv := append(slices.Clone(c.EntryPoint), c.Command...)
	if argv[0] == "meshtask" {
		argv[0] = filepath.Join(d.bin, argv[0])
	}
	return harness.Start(t, def.Family+"-"+c.Name, argv, env)
}

// From an empty account: the dev server makes its secrets, the controller the tokens, and the
// definitions of deploy/ live, one in each layout. Terraform, CloudFormation and the CDK make the
// same ones (make test-deploy). The image of api stays as it is and has a stop signal of its own.
func TestFromAnEmptyAccount(t *testing.T) {
	t.Parallel()
	d := startDeployed(t)
	script := filepath.Join(t.TempDir(), "api")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntrap 'kill $!' USR1\n"+filepath.Join(d.bin, "app")+` --name api "$@" & wait; wait`+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(d.bin, "app")
	api := d.definition(t, "injected.json", "api", "/usr/local/bin/api", script)
	web := d.definition(t, "single.json", "web", "/app/server", app)
	shop := d.definition(t, "siblings.json", "shop", "/web", app, "/images", app)
	tasks := []map[string]*harness.Process{d.run(t, api), d.run(t, web), d.run(t, shop)}
	for _, service := range []string{"api", "web", "shop"} {
		harness.Eventually(t, soon, service+" passes", func() error {
			got, _, err := d.api.Health().Service(service, "", true, nil)
			if err == nil && len(got) != 1 {
				err = fmt.Errorf("%d instances", len(got))
			}
			return err
		})
	}
	answers(t, "http://"+web.address+":9191/", 200, "hello from api")
	answers(t, "http://"+shop.address+":9191/", 200, "hello from api")
	for _, task := range tasks {
		for name, p := range task {
			signal := syscall.SIGTERM
			if name == "api" {
				signal = syscall.SIGUSR1
			}
			if err := p.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, task := range tasks {
		for _, name := range slices.Sorted(maps.Keys(task)) {
			if code := task[name].Wait(t, time.Minute); code != 0 {
				t.Errorf("%s: exit code %d:\n%s", name, code, task[name].Tail(20))
			}
		}
	}
	services, _, err := d.api.Catalog().Services(nil)
	if err != nil || len(services) != 1 {
		t.Errorf("left in the catalog: %v, %v", services, err)
	}
}
