package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// serverName is that of the servers in all examples.
const serverName = "consul.shop.internal"

// account is what the examples suppose: servers with TLS, ACLs and a gossip key under a name, secrets
// in Secrets Manager, a cluster with tasks.
type account struct {
	consul *harness.Server
	cloud  *awsfake.Cloud
	hosts  string // a file as /etc/hosts
	tasks  int
}

const gossip = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="

// open makes the account: the server as docs/consul-servers.md wants it, and the secrets that somebody
// has filled by hand. Those of services and clients are empty: the controller fills them.
func open(t harness.T, w *world) *account {
	defaults, ca := harness.TLS(t, serverName)
	defaults["verify_outgoing"] = true
	a := &account{cloud: awsfake.New(t.Cleanup), hosts: filepath.Join(t.TempDir(), "hosts")}
	must(t, os.WriteFile(a.hosts, []byte("127.0.0.1 localhost\n"+server+" "+serverName+"\n"), 0o644))
	a.consul = harness.StartServer(t, harness.ServerConfig{ACL: true, Address: server, Extra: map[string]any{
		"ports":   map[string]any{"dns": -1, "serf_wan": -1, "grpc": 8502, "grpc_tls": -1, "https": 8501},
		"encrypt": gossip, "auto_encrypt": map[string]any{"allow_tls": true},
		"tls": map[string]any{"defaults": defaults, "internal_rpc": map[string]any{"verify_incoming": true}},
	}})
	for _, arn := range secrets(w.Definitions) {
		a.cloud.Secrets.SetARN(arn, map[bool]string{true: ca, false: "{}"}[strings.Contains(arn, "-ca-cert-")])
		if strings.Contains(arn, "-gossip-key-") {
			a.cloud.Secrets.SetARN(arn, gossip)
		}
	}
	rules, err := os.ReadFile(filepath.Join(harness.Root(t), "deploy/consul/acl-controller.hcl"))
	must(t, err)
	_, _, err = a.consul.API.ACL().PolicyCreate(&api.ACLPolicy{Name: "acl-controller", Rules: string(rules)}, nil)
	must(t, err)
	token, _, err := a.consul.API.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: "acl-controller"}}}, nil)
	must(t, err)
	a.cloud.Secrets.Set("shop-bootstrap-token", token.SecretID)
	a.cloud.ECS.AddCluster("test")
	return a
}

// secrets are the ARNs with their six letters that the configurations name.
func secrets(all []*definition) (out []string) {
	arn := regexp.MustCompile(`arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:[a-z0-9-]+-[A-Za-z]{6}\b`)
	for _, d := range all {
		var text strings.Builder
		text.WriteString(d.Config)
		for _, c := range d.ContainerDefinitions {
			for _, e := range c.Environment {
				text.WriteString(e.Value)
			}
		}
		for _, found := range arn.FindAllString(text.String(), -1) {
			if !slices.Contains(out, found) {
				out = append(out, found)
			}
		}
	}
	return out
}

// shipped lets every definition and configuration live as it stands: the controller beside all.
func (r *report) shipped(w *world) {
	a := open(r, w)
	var controllers []*definition
	for _, d := range w.Definitions {
		if c := d.ContainerDefinitions; len(c) == 1 && slices.Contains(c[0].Command, "acl-controller") {
			controllers = append(controllers, d)
		}
	}
	if len(controllers) != 1 {
		r.Fatalf("%d definitions of the controller were found, want 1", len(controllers))
	}
	began := time.Now()
	controller, _, err := r.containers(a, w, controllers[0], task)
	must(r, err)
	for _, d := range w.Definitions {
		if d != controllers[0] {
			r.lives(a, w, d)
		}
	}
	for c := range controller {
		err = errors.Join(err, stop(r, map[*container]int{c: 0}))
	}
	r.judge(controllers[0].Where+": it fills the secrets of all of the above, and ends with 0", began, err)
}

// lives is one life: up, healthy, passing at the servers; TERM, exit codes 0, nothing left. A job ends
// by itself.
func (r *report) lives(a *account, w *world, d *definition) {
	began := time.Now()
	consul := a.consul
	if hosts := d.document().ConsulAgent.RetryJoin; len(hosts) == 1 && hosts[0] != serverName {
		if net.ParseIP(hosts[0]) == nil {
			r.judge(d.Where+": its server", began, fmt.Errorf("%s is a name that stands for nothing here", hosts[0]))
			return
		}
		consul = harness.StartServer(r, harness.ServerConfig{Address: hosts[0]})
		defer consul.Kill()
	}
	g := d.document().Gateway
	if g != nil && g.Kind == "" {
		return // what taskdef render --gateway adds to: the definition lives
	}
	if d.Config != "" {
		d.ContainerDefinitions = []shippedContainer{alone(d)}
	}
	service := d.document().Service.Name
	if g != nil {
		service = g.Name
		route(r, consul, g.Name)
	}
	if service == "" {
		service = d.Family
	}
	tags := map[string]string{}
	for _, tag := range d.Tags {
		tags[tag.Key] = tag.Value
	}
	if d.Config != "" {
		tags["consul.hashicorp.com/mesh"], tags["consul.hashicorp.com/service-name"] = "true", service
	}
	arn := a.cloud.ECS.Run("test", service, tags)
	defer a.cloud.ECS.Stop(arn)
	all, endpoint, err := r.containers(a, w, d, task)
	if err != nil {
		r.judge(d.Where, began, err)
		return
	}
	what := d.Where + ": up, its checks good, passing; TERM, every exit code 0, catalog empty"
	if d.job() {
		what = d.Where + ": it runs, ends with 0, and leaves nothing"
		for c := range all {
			if code := c.Wait(r, soon); code != 0 {
				err = fmt.Errorf("exit code %d\n%s", code, c.Tail(30))
			}
		}
	} else {
		r.checked(d, all, endpoint)
		consul.Passing(r, soon, service, 1)
		err = stop(r, all)
	}
	consul.Empty(r, limit)
	for c := range all {
		for _, line := range trouble.FindAllString(c.Output(), -1) {
			if !strings.Contains(line, "memberlist") { // gossip says how busy the machine is
				err = errors.Join(err, fmt.Errorf("the log of a good life has %s", line))
			}
		}
	}
	r.judge(what, began, err)
}

// route gives an API gateway what it waits for: a listener, and a route to a service. As JSON: the
// library's own form has keys that Consul refuses.
func route(t harness.T, consul *harness.Server, gateway string) {
	for _, entry := range []map[string]any{
		{"Kind": "service-defaults", "Name": "shown", "Protocol": "http"},
		{"Kind": "api-gateway", "Name": gateway, "Listeners": []any{map[string]any{"Name": "in", "Port": 8443, "Protocol": "http"}}},
		{"Kind": "http-route", "Name": "to-shown", "Parents": []any{map[string]any{"Kind": "api-gateway", "Name": gateway, "SectionName": "in"}},
			"Rules": []any{map[string]any{"Services": []any{map[string]any{"Name": "shown"}}}}},
	} {
		if _, err := consul.API.Raw().Write("/v1/config", entry, nil, nil); err != nil {
			t.Fatalf("config entry %s: %v", entry["Kind"], err)
		}
	}
}

// trouble is a line of a child's that says that something is wrong.
var trouble = regexp.MustCompile(`(?m)^\[(consul-agent|envoy)\].*\[(WARN|ERROR)\].*$`)

// job says whether a definition runs to completion.
func (d *definition) job() bool {
	return slices.ContainsFunc(d.ContainerDefinitions, func(c shippedContainer) bool { return slices.Contains(c.EntryPoint, "--job") })
}

// alone is a container for a configuration that stands alone: a service with a port serves, another is a job.
func alone(d *definition) shippedContainer {
	c := shippedContainer{Name: "main", EntryPoint: []string{"meshtask", "run", "--"}, Command: []string{"/app/server", "--listen", "127.0.0.1:8080"}}
	c.Environment = append(c.Environment, struct{ Name, Value string }{"MESHTASK_CONFIG_JSON", d.Config})
	if !strings.Contains(d.Config, `"port"`) {
		c.EntryPoint, c.Command = []string{"meshtask", "run", "--job", "--"}, []string{"/app/server", "up"}
	} else {
		c.HealthCheck.Command = []string{"CMD", "meshtask", "health"}
	}
	return c
}
