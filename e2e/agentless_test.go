package e2e

import (
	"encoding/json"
	"errors"
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
	"meshtask/e2e/load"
	"meshtask/internal/testbed/awsfake"
)

// node is the node of tasks whose cluster is "local".
const clusterNode = "local"

// without an agent: the edit of a task's document.
func agentless(servers ...*harness.Server) func(map[string]any) {
	return func(doc map[string]any) { harness.Agentless(doc, servers...) }
}

// statuses are those of the checks of one service ID, by the servers' word.
func statuses(t *testing.T, server *harness.Server, service string, id string) map[string]string {
	t.Helper()
	checks, _, err := server.API.Health().Checks(service, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range checks {
		if c.ServiceID == id {
			out[c.CheckID] = c.Status
		}
	}
	return out
}

func told(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if !maps.Equal(want, got) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Tasks with and without an agent call each other; the way up and the way down are the
// documented ones, without the agent's row.
func TestAgentlessUpTrafficDown(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.Entry(t, &api.ProxyConfigEntry{Kind: api.ProxyDefaults, Name: api.ProxyConfigGlobal, Config: map[string]any{"protocol": "http", "envoy_stats_flush_interval": "7s"}})
	api := startTask(t, server, "api-1", "api", agentless(server))
	upstream := func(doc map[string]any) {
		doc["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	}
	web := startTask(t, server, "web-1", "web", func(doc map[string]any) { upstream(doc); agentless(server)(doc) })
	old := startTask(t, server, "old-1", "old", upstream)
	for _, m := range []member{api, web, old} {
		m.up(t)
	}
	api.inOrder(t, "up", [3]string{"mesh-init", "start"}, [3]string{"", "step", "registered"}, [3]string{"mesh-init", "ready"}, [3]string{"task", "mark", "T1"},
		[3]string{"", "step", "listener"}, [3]string{"envoy", "ready"}, [3]string{"task", "mark", "T2"}, [3]string{"", "step", "passing"})
	for _, m := range []member{web, old} {
		answers(t, "http://"+m.address+":9191/", 200, "hello from api-1")
	}
	bootstrap, err := os.ReadFile(filepath.Join(api.Dir, "envoy-bootstrap.json"))
	for _, want := range []string{`"stats_flush_interval":"7s"`, `{"fixed_value":"dc1","tag_name":"consul.source.datacenter"}`} { // central defaults, and where it is
		if err != nil || !strings.Contains(string(bootstrap), want) {
			t.Errorf("Envoy's bootstrap lacks %s (%v)", want, err)
		}
	}
	told(t, "service", map[string]string{"api-api-1-app-consul-ecs": "passing"}, statuses(t, server, "api", "api-api-1"))
	told(t, "sidecar", map[string]string{"service:api-api-1-sidecar-proxy:1": "passing", "service:api-api-1-sidecar-proxy:2": "passing"}, statuses(t, server, "api-sidecar-proxy", "api-api-1-sidecar-proxy"))

	for _, m := range []member{web, old, api} {
		m.term(t)
		s := m.ended(t, 0)
		if m.Name != "old-1" && (s.Left != "skipped" || s.Deregistered != "verified" || len(s.Forced()) > 0) {
			t.Errorf("%s: summary %+v", m.Name, s)
		}
	}
	api.inOrder(t, "down", [3]string{"task", "mark", "T0"}, [3]string{"", "step", "critical"}, [3]string{"", "step", "removed"}, [3]string{"", "step", "drained"},
		[3]string{"app", "stop"}, [3]string{"app", "ended"}, [3]string{"envoy", "stop"}, [3]string{"envoy", "ended"}, [3]string{"task", "mark", "T1"},
		[3]string{"mesh-init", "stop"}, [3]string{"", "step", "deregistered"}, [3]string{"task", "exit"})
	api.without(t, "up", "consul-agent", "start", "")
	server.Empty(t, soon)
}

// TERM at any instant leaves nothing at the servers.
func TestAgentlessTermAtRandomInstants(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	termsAtRandom(t, server, agentless(server))
}

// While it stops, the app's calls follow an upstream that moves.
func TestAgentlessOutboundFollowsWhileItStops(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	api := startTask(t, server, "api-1", "api", agentless(server))
	api.up(t)
	web := prepare(t, server, "web-1", "web", func(doc map[string]any) {
		doc["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
		agentless(server)(doc)
	}).start(t, "--term", "ignore")
	web.up(t)
	answers(t, "http://"+web.address+":9191/", 200, "hello from api-1")
	web.term(t)
	web.Await(t, soon, "down", "", "step", "removed")
	next := startTask(t, server, "api-2", "api", agentless(server))
	next.up(t)
	api.term(t)
	api.ended(t, 0)
	answers(t, "http://"+web.address+":9191/", 200, "hello from api-2")
	if err := web.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// A token of a service identity is enough; the node has to be there, and whoever makes it is
// named.
func TestAgentlessACL(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	made, _, err := server.API.ACL().TokenCreate(&api.ACLToken{ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "web"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	secure := func(doc map[string]any) {
		agentless(server)(doc)
		doc["acl"] = map[string]any{"serviceToken": "file:" + writeFile(t, made.SecretID)}
	}
	m := startTask(t, server, "web-1", "web", secure)
	if code := m.Wait(t, soon); code != 203 {
		t.Errorf("exit code %d, want 203:\n%s", code, m.Tail(20))
	}
	m.says(t, "meshtask acl-controller --agentless")
	if _, err := server.API.Catalog().Register(&api.CatalogRegistration{Node: clusterNode, Address: "127.0.0.1", NodeMeta: map[string]string{"synthetic-node": "true"}}, nil); err != nil {
		t.Fatal(err)
	}
	m = startTask(t, server, "web-2", "web", secure)
	m.up(t)
	if out := m.Output(); strings.Contains(out, made.SecretID) {
		t.Error("the token is in the log")
	}
	m.term(t)
	if s := m.ended(t, 0); s.Deregistered != "verified" {
		t.Errorf("summary %+v", s)
	}
}

// A task that is killed leaves an instance that passes, which no server ever takes away: the
// controller does, once ECS says that the task has stopped. The task's token and its node are
// the controller's too.
func TestAgentlessKilledIsReaped(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	const cluster = "reaped"
	arn := b.mesh(cluster, "web")
	controller, _ := b.agentless(t, cluster)
	token := b.agreed(t, time.Minute, aclPrefix+"-web")
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	node := awsfake.ClusterARN(cluster)
	m := prepare(t, b.consul, id, "web", func(doc map[string]any) {
		agentless(b.consul)(doc)
		doc["task"] = map[string]any{"address": doc["task"].(map[string]any)["address"], "id": id}
		doc["acl"] = map[string]any{"serviceToken": tokenOf(aclPrefix + "-web")}
	})
	endpoint := harness.StartEndpoint(t, id, "web", m.address, "main")
	endpoint.Task(map[string]any{"TaskARN": arn, "Cluster": node})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: id, Config: m.config, Env: append(b.cloud.Environment(), "ECS_CONTAINER_METADATA_URI_V4="+endpoint.URI),
		CMD: []string{harness.App(t), "--name", id, "--listen", m.address + ":8080"}})
	m.up(t)
	if on := b.on(t, node); len(on) != 2 {
		t.Fatalf("on %s are %v", node, on)
	}
	children := append(m.pids(t, "envoy"), m.pids(t, "app")...)
	for _, pid := range append(children, m.PID) { // a container's end is the end of all that is in it
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	m.Wait(t, soon)
	b.sweeps(t, 4)
	if on := b.on(t, node); len(on) != 2 {
		t.Fatalf("ECS has not said that it stopped, and left are %v", on)
	}
	b.cloud.ECS.Stop(arn)
	harness.Eventually(t, time.Minute, "the end of what it left", func() error {
		if on := b.on(t, node); len(on) > 0 {
			return fmt.Errorf("%v", on)
		}
		return nil
	})
	harness.Eventually(t, time.Minute, "the end of its token", func() error {
		if _, _, err := b.consul.API.ACL().TokenRead(token.AccessorID, nil); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
	stopped(t, controller)
}

// A job, and a task whose app has a container of its own, live as they do with an agent.
func TestAgentlessJobAndSiblings(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := job(t, server, "job-7", agentless(server)).runJob(t, nil, "sh", "-c", "exit 7")
	m.ended(t, 7)
	p := preparePair(t, server, "pair")
	harness.Agentless(p.config, server)
	app := p.app(t, "app", p.serving(t, "9")...)
	p.mesh(t)
	p.up(t)
	p.leased(t, "app")
	server.Passing(t, soon, "pair", 1)
	p.stop(t, app)
	if code := app.Wait(t, soon); code != 9 {
		t.Errorf("the app's container ended with %d:\n%s", code, app.Tail(20))
	}
	if s := p.ended(t, 0); s.Deregistered != "verified" {
		t.Errorf("summary %+v", s)
	}
	server.Empty(t, soon)
}

// What others take away is put back, by the next look.
func TestAgentlessIsPutBack(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "web-1", "web", func(doc map[string]any) {
		agentless(server)(doc)
		doc["health"] = map[string]any{"ttl": "3s"}
	})
	m.up(t)
	for _, id := range []string{"web-web-1-sidecar-proxy", "web-web-1"} {
		if _, err := server.API.Catalog().Deregister(&api.CatalogDeregistration{Node: clusterNode, ServiceID: id}, nil); err != nil {
			t.Fatal(err)
		}
		status(t, server, strings.Replace(id, "web-web-1", "web", 1), "passing")
	}
	m.term(t)
	m.ended(t, 0)
	server.Empty(t, soon)
}

// A document and variables as consul-ecs 0.10's Terraform writes them, over TLS.
func TestAgentlessOfConsulECS(t *testing.T) {
	t.Parallel()
	server, ca := tlsServer(t)
	id, address := "0a1b2c", harness.Address(t)
	endpoint := harness.StartEndpoint(t, id, "web", address, "app")
	doc, err := json.Marshal(map[string]any{
		"bootstrapDir": "/consul", "consulLogin": map[string]any{"enabled": false}, "controller": nil, "gateway": nil, "logLevel": "INFO",
		"consulServers": map[string]any{"hosts": server.Address, "skipServerWatch": false, "defaults": map[string]any{"tls": true, "tlsServerName": "server.dc1.consul"},
			"http": map[string]any{"https": true, "port": 8501}, "grpc": map[string]any{"port": 8503}},
		"healthSyncContainers": []string{"app"}, "proxy": map[string]any{"healthCheckPort": 22000, "publicListenerPort": 20000},
		"service": map[string]any{"name": "web", "port": 8080}, "transparentProxy": map[string]any{"enabled": false},
	})
	if err != nil {
		t.Fatal(err)
	}
	k := harness.StartTask(t, harness.TaskConfig{Name: id, Args: []string{"run"}, Env: []string{"ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI, "CONSUL_ECS_CONFIG_JSON=" + string(doc),
		"CONSUL_HTTPS_CACERT_PEM=" + ca, "CONSUL_GRPC_CACERT_PEM=" + ca}, CMD: []string{harness.App(t), "--name", id, "--listen", address + ":8080"}})
	k.Await(t, soon, "up", "", "step", "passing")
	told(t, "service", map[string]string{"web-" + id + "-app": "passing", "web-" + id + "-consul-dataplane": "passing"}, statuses(t, server, "web", "web-"+id))
	told(t, "sidecar", map[string]string{"web-" + id + "-sidecar-proxy-consul-dataplane": "passing"}, statuses(t, server, "web-sidecar-proxy", "web-"+id+"-sidecar-proxy"))
	if err := k.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := k.Wait(t, soon); code != 0 {
		t.Errorf("exit code %d:\n%s", code, k.Tail(20))
	}
	server.Empty(t, soon)
}

// What is wrong with the servers, or with what is known of them, is named as such.
func TestAgentlessFaults(t *testing.T) {
	t.Parallel()
	server, ca := tlsServer(t)
	_, other := tlsServer(t)
	silent := harness.Address(t)
	port := func(https bool, http int, tls bool, grpc int, more map[string]any) func(map[string]any) {
		return func(s map[string]any) {
			s["http"], s["grpc"] = map[string]any{"https": https, "port": http}, map[string]any{"tls": tls, "port": grpc}
			maps.Copy(s, more)
		}
	}
	trusted := map[string]any{"caCertFile": writeFile(t, ca), "tlsServerName": "server.dc1.consul"}
	for name, c := range map[string]struct {
		edit       func(map[string]any)
		code, says string
	}{
		"nobody":               {port(false, 8500, false, 8502, map[string]any{"hosts": silent}), "consul-unreachable", silent + ":8500"},
		"no such name":         {port(false, 8500, false, 8502, map[string]any{"hosts": "no-such-host.invalid"}), "consul-name", "no-such-host.invalid"},
		"a command that fails": {port(false, 8500, false, 8502, map[string]any{"hosts": "exec=false"}), "consul-name", "exec=false"},
		"wrong CA":             {port(true, 8501, true, 8503, map[string]any{"defaults": map[string]any{"caCertFile": writeFile(t, other), "tlsServerName": "server.dc1.consul"}}), "consul-certificate", ":8501"},
		"wrong name":           {port(true, 8501, true, 8503, map[string]any{"defaults": map[string]any{"caCertFile": writeFile(t, ca), "tlsServerName": "server.dc2.consul"}}), "consul-server-name", "server.dc2.consul"},
		"plain at a TLS port":  {port(false, 8501, true, 8503, map[string]any{"defaults": trusted}), "consul-is-tls", ":8501"},
		"TLS at a plain port":  {port(true, 8500, true, 8503, map[string]any{"defaults": trusted}), "consul-not-tls", ":8500"},
		"plain at TLS gRPC":    {port(true, 8501, false, 8503, map[string]any{"defaults": trusted}), "consul-is-tls", ":8503"},
		"TLS at plain gRPC":    {port(true, 8501, true, 8502, map[string]any{"defaults": trusted}), "consul-not-tls", ":8502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startTask(t, server, strings.ReplaceAll(name, " ", "-"), "web", func(doc map[string]any) {
				agentless(server)(doc)
				s := doc["consulServers"].(map[string]any)
				s["joinTimeout"] = "1s"
				c.edit(s)
			})
			if code := m.Wait(t, soon); code != 202 {
				t.Errorf("exit code %d, want 202:\n%s", code, m.Tail(20))
			}
			if out := m.Output(); !strings.Contains(out, "(code "+c.code+")") && !strings.Contains(out, "code="+c.code) && !strings.Contains(out, `"code":"`+c.code+`"`) || !strings.Contains(out, c.says) {
				t.Errorf("want code %s and %q:\n%s", c.code, c.says, m.Tail(20))
			}
		})
	}
}

// One of three servers ends, then all of them for a while: nothing of the traffic is lost, a task
// that ends meanwhile says that nobody could be told, and one that ends later has told.
func TestAgentlessServersGone(t *testing.T) {
	t.Parallel()
	servers := harness.StartServers(t, 3, harness.ServerConfig{})
	servers[0].HTTPServices(t)
	all := agentless(servers...)
	api, spare := startTask(t, servers[0], "api-1", "api", all), startTask(t, servers[0], "spare-1", "spare", all)
	web := startTask(t, servers[0], "web-1", "web", func(doc map[string]any) {
		all(doc)
		doc["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	})
	for _, m := range []member{api, spare, web} {
		m.up(t)
	}
	answers(t, "http://"+web.address+":9191/", 200, "hello from api-1")
	g := load.Start(t.Context(), load.Config{URL: "http://" + web.address + ":9191/", Rate: 100, NewConn: 50})
	leader := slices.IndexFunc(servers, func(s *harness.Server) bool {
		l, err := s.API.Status().Leader()
		return err == nil && strings.HasPrefix(l, s.Address+":")
	})
	servers[leader].Kill()
	left := slices.Delete(slices.Clone(servers), leader, leader+1)
	late := startTask(t, left[0], "late-1", "late", all)
	late.up(t)
	for _, s := range left {
		s.Kill()
	}
	spare.term(t)
	if s := spare.ended(t, 0); s.Deregistered != "unverified" {
		t.Errorf("nobody could be told, but: %+v", s)
	}
	harness.RestartAll(t, servers...)
	late.term(t)
	if s := late.ended(t, 0); s.Deregistered != "verified" {
		t.Errorf("summary %+v", s)
	}
	for _, f := range g.Stop().Failures {
		t.Errorf("%+v", f)
	}
	for _, m := range []member{web, api} {
		m.term(t)
		m.ended(t, 0)
	}
}

// writeFile is a file with this content.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// tlsServer starts a server that has TLS at 8501 and 8503 as well, and returns its CA.
func tlsServer(t *testing.T) (*harness.Server, string) {
	t.Helper()
	defaults, ca := harness.TLS(t)
	return harness.StartServer(t, harness.ServerConfig{Extra: map[string]any{
		"ports": map[string]any{"dns": -1, "serf_wan": -1, "grpc": 8502, "https": 8501, "grpc_tls": 8503},
		"tls":   map[string]any{"defaults": defaults},
	}}), ca
}
