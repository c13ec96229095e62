// Package dev makes a laptop or a CI job look like an ECS task: an address on
// loopback that nobody else has, the documents of the task metadata endpoint, a
// configuration with everything that was not given, and a Consul development
// server. It knows nothing of the task that runs on it, but that it starts the
// server's process (task.Tools).
package dev

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// Task is what a development task is called and where it is. A zero field is
// one that nobody has given.
type Task struct {
	ID, Service, Address string
	Server               string // to join, or to ask; "": those of the configuration
	Agentless            bool   // the task has no Consul agent
	Page                 string // HOST:PORT of admin.listen
	Port                 int    // of the app; 0: it takes no traffic
}

// document is a configuration as its user wrote it.
type document struct{ root map[string]any }

// readDocument reads a configuration; an empty text is an empty one.
func readDocument(text []byte) (document, error) {
	d := document{map[string]any{}}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &d.root); err != nil {
			return d, fmt.Errorf("cannot read the configuration: %w", err)
		}
	}
	if d.root == nil { // null
		d.root = map[string]any{}
	}
	return d, nil
}

// known is the part of a configuration that matters here. Everything else, and
// everything wrong, is reported when the finished document is loaded.
type known struct {
	Task    struct{ Address string }
	Service struct {
		Name string
		Port int
	}
	Proxy struct {
		PublicListenerPort  int
		LocalServiceAddress string
		Upstreams           []struct {
			LocalBindAddress string
			LocalBindPort    int
		}
	}
	ConsulAgent struct {
		RetryJoin []string
		External  string
	}
	ConsulServers *struct{ Hosts any }
	Admin         struct{ Listen string }
}

func (d document) known() known {
	k := known{}
	text, err := json.Marshal(d.root)
	if err == nil {
		_ = json.Unmarshal(text, &k) // a field of a wrong type is found when the document is loaded
	}
	return k
}

// Set puts a service name and a port that win over the document's; a zero one
// changes nothing.
func (d document) Set(service string, port int) {
	over := map[string]any{}
	if service != "" {
		over["name"] = service
	}
	if port != 0 {
		over["port"] = port
	}
	old, _ := d.root["service"].(map[string]any)
	fill(over, old)
	d.root["service"] = over
}

// Task is what the document says: name, address, port, and the first server
// that it joins or asks.
func (d document) Task() Task {
	k := d.known()
	t := Task{Service: k.Service.Name, Address: k.Task.Address, Port: k.Service.Port, Server: k.ConsulAgent.External, Page: k.Admin.Listen}
	if len(k.ConsulAgent.RetryJoin) > 0 {
		t.Server = k.ConsulAgent.RetryJoin[0]
	}
	if k.ConsulServers != nil {
		t.Agentless, t.Server = true, k.host()
	}
	return t
}

// host is the first of consulServers.hosts; "": there is none.
func (k known) host() string {
	if k.ConsulServers == nil {
		return ""
	}
	switch hosts := k.ConsulServers.Hosts.(type) {
	case string:
		return hosts
	case []any:
		if len(hosts) > 0 {
			return fmt.Sprint(hosts[0])
		}
	}
	return ""
}

// AppAddress is where the app listens: on a laptop, where it always does.
func (d document) AppAddress() string {
	if a := d.known().Proxy.LocalServiceAddress; a != "" {
		return a
	}
	return appAddress
}

const appAddress = "127.0.0.1"

// Ports are what the task binds on its own address: Envoy's, and those of an agent.
func (d document) Ports(agentless bool) []int {
	k := d.known()
	ports := []int{cmp.Or(k.Proxy.PublicListenerPort, 20000)}
	if !agentless {
		ports = append(ports, 8301, httpPort, grpcPort)
	}
	for _, u := range k.Proxy.Upstreams {
		if u.LocalBindAddress == "" && u.LocalBindPort != 0 {
			ports = append(ports, u.LocalBindPort)
		}
	}
	return ports
}

// Complete adds to the document what is missing of it. What is there stays. The
// app gets its port as PORT too, since it may have been moved.
func (d document) Complete(t Task) ([]byte, error) {
	service := map[string]any{"name": t.Service}
	more := map[string]any{
		"service": service,
		"task":    map[string]any{"address": t.Address},
		"proxy":   map[string]any{"localServiceAddress": appAddress},
	}
	if t.Page != "" {
		more["admin"] = map[string]any{"listen": t.Page}
	}
	if t.Port != 0 {
		service["port"] = t.Port
		more["app"] = map[string]any{"env": map[string]any{"PORT": fmt.Sprint(t.Port)}}
	}
	switch {
	case !t.Agentless && d.known().ConsulAgent.External == "":
		more["consulAgent"] = map[string]any{"retryJoin": []string{t.Server}}
	case t.Agentless && d.known().host() != t.Server: // with ports of a development server
		more["consulServers"] = map[string]any{"http": map[string]any{"https": false, "port": httpPort}, "grpc": map[string]any{"tls": false, "port": grpcPort}}
		servers, _ := d.root["consulServers"].(map[string]any)
		if servers == nil {
			servers = map[string]any{}
		}
		servers["hosts"] = t.Server
		d.root["consulServers"] = servers
	}
	fill(d.root, more)
	return json.MarshalIndent(d.root, "", "  ")
}

func fill(have, more map[string]any) {
	for key, value := range more {
		old, there := have[key]
		inner, ok := old.(map[string]any)
		add, object := value.(map[string]any)
		switch {
		case !there || old == nil:
			have[key] = value
		case ok && object:
			fill(inner, add)
		}
	}
}

// serviceName makes a service name of a command: its last path segment, in lower case.
func serviceName(command string) string {
	name := strings.ToLower(filepath.Base(command))
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name)
	if name = strings.Trim(name, "-"); name == "" {
		return "app"
	}
	return name
}
