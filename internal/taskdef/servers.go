package taskdef

import (
	"slices"
	"strings"

	"meshtask/internal/config"
	"meshtask/internal/jsontree"
)

// The CAs of consulServers, which win over its caCertFile.
const (
	httpsCA = "CONSUL_HTTPS_CACERT_PEM"
	grpcCA  = "CONSUL_GRPC_CACERT_PEM"
)

// consulECS are the parts that may have consul-ecs's document and its secrets.
var consulECS = []part{meshInit, controlPlane, healthSync}

// servers takes the part of consul-ecs 0.7's and later documents that earlier ones have not.
func (c *conversion) servers(old *jsontree.Object, warnings []config.Finding) {
	in, _ := jsontree.Clone(old.Get("consulServers")).(*jsontree.Object)
	for _, stanza := range []string{"defaults", "http", "grpc"} {
		of := in.Obj(stanza)
		c.unknown(of, "consulServers."+stanza, warnings)
		of.Keep(func(_ string, v any) bool { return v != "" }) // as the Terraform module writes what was not given
		c.caFile(of, legacyName+".consulServers."+stanza)
	}
	c.doc.Set("consulServers", in)
	c.say(Note, legacyName+".consulServers", "kept: the task has no Consul agent, as before; CheckIDs are those of meshtask's own configuration (consul-ecs's stay where %s does)", legacyName)
	if old.Has("controller") {
		c.say(Note, legacyName+".controller", "dropped: it is the controller's (meshtask acl-controller --agentless)")
	}
	switch {
	case old.Has("transparentProxy"): // off, or it would have been refused
		c.say(Note, legacyName+".transparentProxy", "dropped: it is off")
	case c.parts[controlPlane] == nil: // 0.7 had none
		for _, f := range warnings {
			if f.Path == "transparentProxy" {
				c.say(Todo, legacyName+"."+f.Path, "%s", f.Text)
			}
		}
	}
}

// legacyServers says whether the definition is consul-ecs 0.7's or a later one's.
func (c *conversion) legacyServers() bool {
	return c.parts[controlPlane] != nil || c.parts[dataplane] != nil
}

// caFile drops a CA's file that is in consul-ecs's volume where its parts wrote it from the
// variables, which stay.
func (c *conversion) caFile(of *jsontree.Object, path string) {
	file := of.Str("caCertFile")
	switch {
	case file == "":
	case !strings.HasPrefix(file, "/consul/"): // the Terraform module's bootstrapDir
		c.say(Todo, path+".caCertFile", "%s must be in the container that runs the mesh: it was in consul-ecs's", file)
	case c.given(httpsCA) || c.given(grpcCA):
		of.Del("caCertFile")
		c.say(Note, path+".caCertFile", "%s dropped: the CA is in %s and %s", file, httpsCA, grpcCA)
	default:
		c.say(Todo, path+".caCertFile", "%s was in consul-ecs's volume: put it into the container that runs the mesh, or give that one the secrets %s and %s, which win", file, httpsCA, grpcCA)
	}
}

// given says whether a part has this variable or secret.
func (c *conversion) given(name string) bool {
	return slices.ContainsFunc(append([]part{client}, consulECS...), func(p part) bool {
		if c.parts[p] == nil {
			return false
		}
		_, isSecret := secretFrom(c.parts[p], name)
		_, isPlain := variable(c.parts[p], name)
		return isSecret || isPlain
	})
}

// serverCAs moves the CAs of the servers to the container that runs the mesh, as they are: ECS
// reads them with the execution role, as before.
func (c *conversion) serverCAs() {
	for _, name := range []string{httpsCA, grpcCA, "CONSUL_CACERT_PEM", "CONSUL_CACERT"} {
		for _, p := range append(slices.Clone(consulECS), client) {
			container := c.parts[p]
			if container == nil {
				continue
			}
			entry, list := jsontree.New("name", name), "secrets"
			if from, ok := secretFrom(container, name); ok {
				entry.Set("valueFrom", from)
			} else if value, ok := variable(container, name); ok {
				entry.Set("value", value)
				list = "environment"
			} else {
				continue
			}
			c.aside = append(c.aside, entry)
			c.say(Note, at(container, list), "%s goes to the container that runs the mesh: the CA of consulServers", name)
			break
		}
	}
}

// withoutAgent says what became of an agent whose place consulServers of --config takes.
func (c *conversion) withoutAgent(container *jsontree.Object) {
	login := c.doc.Obj("acl").Obj("login")
	login.Del("agentMethod")
	if login.Has("server") {
		c.say(Note, "acl.login.server", "%s dropped: one of consulServers is logged in to", login.Str("server"))
		login.Del("server")
	}
	c.say(Lost, at(container, "command"), "the agent's settings: --config has consulServers, so that there is no agent")
	for _, name := range []string{"AGENT_TOKEN", "CONSUL_GOSSIP_ENCRYPTION_KEY"} {
		if c.given(name) {
			c.say(Note, at(container, "secrets"), "%s dropped: it was the agent's", name)
		}
	}
}

// dataplaneFlags names what somebody added to consul-dataplane's command.
func (c *conversion) dataplaneFlags() {
	container := c.parts[dataplane]
	if container == nil {
		return
	}
	argv := container.Strings("command")
	if i := slices.Index(argv, "consul-dataplane"); i >= 0 {
		argv = argv[i+1:]
	}
	for i := 0; i < len(argv); i++ {
		name, _, joined := strings.Cut(argv[i], "=")
		if i+1 < len(argv) && !joined && !strings.HasPrefix(argv[i+1], "-") {
			i++
		}
		if strings.TrimLeft(name, "-") != "config-file" {
			c.say(Lost, at(container, "command"), "consul-dataplane's flag %s has no counterpart: see envoy and consulServers of the configuration", name)
		}
	}
}
