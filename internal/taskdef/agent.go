package taskdef

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"meshtask/consulagent"
	"meshtask/internal/jsontree"
)

func agentKeys() []string { return consulagent.EmittedKeys() }

// agent reads how consul-client starts its agent, and writes consulAgent.
func (c *conversion) agent(container *jsontree.Object) {
	argv := append(container.Strings("entryPoint"), container.Strings("command")...)
	var s script
	var args []string
	found := false
	for _, a := range argv {
		if s = readScript(a); !found {
			args, found = s.agentArgs()
		}
		if found {
			break
		}
	}
	if i := slices.Index(argv, "agent"); !found && i >= 0 {
		args, found = argv[i+1:], true
	}
	if !found {
		c.say(Todo, at(container, "command"), "no \"consul agent\" found in it: give consulAgent with --config, and --retry-join")
		return
	}
	c.agentLogin(container, s)
	settings := c.settings(container, args, s)
	c.translate(container, settings)
	if len(settings.Keys()) > 0 {
		extra, _ := jsontree.Clone(settings).(*jsontree.Object)
		c.doc.Sub("consulAgent").Set("extraConfig", extra)
		c.say(Note, at(container, "command"), "agent settings %s are consulAgent.extraConfig", strings.Join(settings.Keys(), ", "))
	}
}

// flags are the agent's flags that have a setting of the same meaning.
var flags = map[string]string{
	"advertise": "advertise_addr", "bind": "bind_addr", "client": "client_addr", "data-dir": "data_dir", "datacenter": "datacenter", "dc": "datacenter",
	"encrypt": "encrypt", "log-level": "log_level", "node": "node_name", "partition": "partition", "primary-datacenter": "primary_datacenter",
	"retry-interval": "retry_interval", "domain": "domain",
}

// lists are those that may be given many times.
var lists = map[string]string{"retry-join": "retry_join", "join": "retry_join", "recursor": "recursors"}

// settings are the agent's settings as one tree: flags and files, later ones win.
func (c *conversion) settings(container *jsontree.Object, args []string, s script) *jsontree.Object {
	all := jsontree.New()
	for i := 0; i < len(args); i++ {
		name, v, ok := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !strings.HasPrefix(args[i], "-") {
			continue
		}
		if !ok && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			v = args[i]
		}
		from := "-" + name
		switch {
		case flags[name] != "":
			all.Set(flags[name], v)
			continue
		case lists[name] != "":
			all.Set(lists[name], append(all.List(lists[name]), v))
			continue
		case name == "config-file" && s.has(v):
			v, from = s.files[v], v
		case name != "hcl":
			c.say(Lost, at(container, "command"), "the agent's flag -%s has no counterpart: see consulAgent.extraConfig", name)
			continue
		}
		part, err := readHCL(v)
		if err != nil {
			c.say(Lost, at(container, "command"), "agent settings of %s cannot be read (%v): write them into consulAgent.extraConfig", from, err)
			continue
		}
		all.Merge(part)
	}
	return all
}

func (s script) has(file string) bool {
	_, ok := s.files[file]
	return ok
}

// agentLogin keeps the agent's own login by its IAM role, which was the script's.
func (c *conversion) agentLogin(container *jsontree.Object, s script) {
	login := c.doc.Obj("acl").Obj("login")
	method, found := s.option("-method", "consul", "login")
	switch {
	case !found: // it has a token, or none
		login.Del("agentMethod")
	case c.doc.Obj("acl").Has("login"):
		login.Set("agentMethod", method)
		c.say(Note, at(container, "command"), "the agent's own IAM login is acl.login.agentMethod, %s", method)
	default:
		c.say(Todo, at(container, "command"), "the agent got its token from an IAM login (method %s), the service did not: give acl.agentToken, or the agent cannot write its own node", method)
	}
}

// same are settings that consul-ecs rendered always so, and meshtask makes itself.
// An empty value stands for any.
var same = map[string]string{
	"addresses.dns": "127.0.0.1", "addresses.grpc": "127.0.0.1", "addresses.http": "127.0.0.1", "advertise_addr": "$ECS_IPV4",
	"advertise_reconnect_timeout": "15m", "client_addr": "0.0.0.0", "data_dir": "/consul/data", "enable_central_service_config": "true",
	"leave_on_terminate": "true", "ports.grpc": "8502", "telemetry.disable_compat_1.9": "true", "verify_outgoing": "true", "auto_encrypt.tls": "true",
	"auto_encrypt.ip_san": "[$ECS_IPV4]", "ca_file": "", "tls.defaults.ca_file": "", "tls.defaults.verify_outgoing": "true", "acl.enabled": "true",
	"acl.default_policy": "deny", "acl.down_policy": "async-cache", "acl.tokens.agent": "$AGENT_TOKEN", "encrypt": "$CONSUL_GOSSIP_ENCRYPTION_KEY",
}

// fields are settings that have a field of consulAgent.
var fields = map[string]string{
	"datacenter": "datacenter", "partition": "partition", "node_name": "nodeName", "log_level": "logLevel", "bind_addr": "bindAddress",
}

// translate takes out of settings all but what may stay extra configuration.
func (c *conversion) translate(container, settings *jsontree.Object) {
	to := c.doc.Sub("consulAgent")
	var kept []string
	own := agentKeys()
	take(settings, "", func(path string, v any) bool {
		v, unset := expand(container, v)
		want, known := same[path]
		port, isPort := strings.CutPrefix(path, "ports.")
		switch {
		case path == "retry_join" && len(c.opt.RetryJoin) > 0:
		case known && (want == "" || want == fmt.Sprint(v)):
			c.acls = c.acls || path == "acl.enabled"
			kept = append(kept, path)
		case len(unset) > 0:
			c.say(Todo, at(container, "command"), "the agent's %s holds $%s, which the definition does not give: set it in consulAgent", path, strings.Join(unset, ", $"))
		case path == "retry_join":
			if s, ok := v.(string); ok {
				v = []any{s}
			}
			to.Set("retryJoin", v)
		case fields[path] != "":
			if path == "log_level" {
				v = strings.ToLower(fmt.Sprint(v))
				if v == "err" {
					v = "error"
				}
			}
			to.Set(fields[path], v)
		case isPort && slices.Contains([]string{"http", "https", "grpc", "grpc_tls", "serf_lan", "serf_wan", "server", "dns"}, port):
			to.Sub("ports").Set(port, v)
		case path == "auto_encrypt.tls":
			to.Set("autoEncrypt", false)
		case path == "verify_server_hostname" || path == "tls.internal_rpc.verify_server_hostname" || path == "tls.defaults.verify_server_hostname":
			to.Set("verifyServerHostname", v)
		case path == "acl.enabled":
			c.doc.Sub("acl").Set("enabled", false)
		case path == "encrypt" || path == "acl.tokens.agent":
			c.say(Lost, at(container, "command"), "the agent's %s is written out in the definition: put it into a secret and give its reference", path)
		case slices.Contains(own, path):
			c.say(Lost, at(container, "command"), "the agent's %s = %v: meshtask sets this one itself", path, v)
		default:
			return false
		}
		return true
	})
	if slices.Contains(kept, "addresses.dns") && !to.Sub("ports").Has("dns") {
		to.Sub("ports").Set("dns", 8600)
		c.say(Note, at(container, "command"), "the agent answers DNS on 127.0.0.1:8600 as before, by consulAgent.ports.dns: remove that if no app asks it")
	}
	if len(kept) > 0 {
		slices.Sort(kept)
		c.say(Note, at(container, "command"), "meshtask sets, as consul-ecs did: %s", strings.Join(kept, ", "))
	}
}

// expand puts a container's plain variables in. unset are those that it has not.
func expand(container *jsontree.Object, v any) (out any, unset []string) {
	switch v := v.(type) {
	case string:
		return expandText(container, v)
	case []any:
		list := []any{}
		for _, item := range v {
			item, more := expand(container, item)
			list, unset = append(list, item), append(unset, more...)
		}
		return list, unset
	}
	return v, nil
}

func expandText(container *jsontree.Object, s string) (string, []string) {
	var b strings.Builder
	var unset []string
	for {
		before, rest, ok := strings.Cut(s, "$")
		b.WriteString(before)
		if !ok {
			return b.String(), unset
		}
		braced := strings.HasPrefix(rest, "{")
		rest = strings.TrimPrefix(rest, "{")
		n := strings.IndexFunc(rest, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		})
		if n < 0 {
			n = len(rest)
		}
		name := rest[:n]
		s = rest[n:]
		if braced {
			s = strings.TrimPrefix(s, "}")
		}
		if value, ok := variable(container, name); ok {
			b.WriteString(value)
			continue
		}
		b.WriteString("$" + name)
		unset = append(unset, name)
	}
}

// proxyFlags keeps what somebody added to sidecar-proxy's command.
func (c *conversion) proxyFlags() {
	container := c.parts[proxy]
	if container == nil {
		return
	}
	argv := append(container.Strings("entryPoint"), container.Strings("command")...)
	i := slices.IndexFunc(argv, func(a string) bool { return a == "envoy" || strings.HasSuffix(a, "/envoy") })
	var extra []string
	for args := argv[i+1:]; i >= 0 && len(args) > 0; args = args[1:] {
		name, value, ok := strings.Cut(args[0], "=")
		if !ok && len(args) > 1 && !strings.HasPrefix(args[1], "-") {
			value, args = args[1], args[1:]
		}
		switch name {
		case "-c", "--config-path":
		case "-l", "--log-level":
			c.doc.Sub("envoy").Set("logLevel", value)
		case "--concurrency":
			c.doc.Sub("envoy").Set("concurrency", json.Number(value))
		default:
			extra = append(extra, name)
			if value != "" {
				extra = append(extra, value)
			}
		}
	}
	if len(extra) > 0 {
		c.doc.Sub("envoy").Set("extraArgs", jsontree.Texts(extra))
		c.say(Note, at(container, "command"), "%s is envoy.extraArgs", strings.Join(extra, " "))
	}
}
