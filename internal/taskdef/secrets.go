package taskdef

import (
	"slices"
	"strings"

	"meshtask/internal/jsontree"
	"meshtask/internal/secret"
)

// secrets turns the secrets that ECS gave to consul-ecs's containers into
// references, which meshtask reads with the task role when it needs them.
func (c *conversion) secrets() {
	if c.noAgent {
		c.serverCAs()
	}
	login := c.doc.Obj("acl").Has("login")
	for _, s := range []struct {
		of           []part
		agent        bool // not where there are consulServers
		name         string
		stanza, into string
		skip         bool
		why          string
	}{
		{of: []part{client, meshInit}, agent: true, name: "CONSUL_CACERT_PEM", stanza: "consulAgent", into: "caCert"},
		{of: []part{client, meshInit}, agent: true, name: "CONSUL_CACERT", stanza: "consulAgent", into: "caCert"},
		{of: []part{client}, agent: true, name: "CONSUL_GOSSIP_ENCRYPTION_KEY", stanza: "consulAgent", into: "gossipKey"},
		{of: []part{client}, agent: true, name: "AGENT_TOKEN", stanza: "acl", into: "agentToken"},
		{of: consulECS, name: "CONSUL_HTTP_TOKEN", stanza: "acl", into: "serviceToken", skip: login, why: "the login gives the service its token"},
		{of: append([]part{client}, consulECS...), agent: true, name: httpsCA, stanza: "acl.login", into: "caCert", skip: !login, why: "it is for the login, which is off"},
	} {
		for _, p := range s.of {
			container := c.parts[p]
			if container == nil || s.agent && c.noAgent {
				continue
			}
			from, isSecret := secretFrom(container, s.name)
			value, isPlain := variable(container, s.name)
			if s.skip {
				if isSecret || isPlain {
					c.say(Note, at(container, "secrets"), "%s dropped: %s", s.name, s.why)
				}
				continue
			}
			to := c.doc
			for key := range strings.SplitSeq(s.stanza, ".") {
				to = to.Sub(key)
			}
			if isSecret && !to.Has(s.into) {
				c.refer(to, container, s.name, s.stanza+"."+s.into, from)
			}
			if s.into == "agentToken" && (isSecret || isPlain) {
				c.doc.Obj("acl").Obj("login").Del("agentMethod") // the agent had this token, and no login
			}
			if isPlain && !to.Has(s.into) {
				c.aside = append(c.aside, jsontree.New("name", s.name, "value", value))
				c.say(Todo, at(container, "environment"), "%s is in plain text in the definition, and stays so: make it a secret and give %s.%s", s.name, s.stanza, s.into)
			}
		}
	}
}

// refer writes one reference; what is none stays a secret of the container.
func (c *conversion) refer(to, container *jsontree.Object, name, field, from string) {
	key := field[strings.LastIndex(field, ".")+1:]
	if _, err := secret.Parse(from); err == nil && secret.Is(from) {
		to.Set(key, from)
		c.say(Note, at(container, "secrets"), "%s is %s now", name, field)
		return
	}
	to.Set(key, "env:"+name)
	c.aside = append(c.aside, jsontree.New("name", name, "valueFrom", from))
	c.say(Note, at(container, "secrets"), "%s stays a secret of the container, read from its environment: %q is a parameter's name, not an ARN", name, from)
}

// meshVariables are those that meshtask takes for the mesh's own, and that no
// child of it inherits.
var meshVariables = []string{"AGENT_TOKEN", "CONSUL_CACERT", "CONSUL_CACERT_PEM", "CONSUL_GOSSIP_ENCRYPTION_KEY", "CONSUL_HTTP_TOKEN", grpcCA, httpsCA}

// appSecrets moves an app's own variables of those names into app.env, in the
// container that runs both.
func (c *conversion) appSecrets(app *jsontree.Object) {
	env := c.doc.Sub("app").Sub("env")
	app.Filter("environment", func(e *jsontree.Object) bool {
		name := e.Str("name")
		if !slices.Contains(meshVariables, name) {
			return true
		}
		value := any(e.Str("value"))
		if secret.Is(e.Str("value")) {
			value = jsontree.New("value", value)
		}
		env.Set(name, value)
		c.unknownFields(at(app, "environment"), "environment", e)
		c.say(Note, at(app, "environment"), "%s is app.env.%s: in the environment meshtask would take it for the mesh's", name, name)
		return false
	})
	app.Filter("secrets", func(s *jsontree.Object) bool {
		name, from := s.Str("name"), s.Str("valueFrom")
		if !slices.Contains(meshVariables, name) {
			return true
		}
		if _, err := secret.Parse(from); err != nil || !secret.Is(from) {
			c.say(Todo, at(app, "secrets"), "%s: meshtask takes this variable for the mesh's, and %q is not an ARN, so that it cannot be app.env.%s: give the parameter's ARN", name, from, name)
			return true
		}
		env.Set(name, from)
		c.unknownFields(at(app, "secrets"), "secrets", s)
		c.say(Note, at(app, "secrets"), "%s is app.env.%s: in the environment meshtask would take it for the mesh's", name, name)
		return false
	})
}

// roles says what the task role must allow: ECS read these secrets with the
// execution role.
func (c *conversion) roles() {
	var arns []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case *jsontree.Object:
			for _, k := range v.Keys() {
				walk(v.Get(k))
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		case string:
			if ref, err := secret.Parse(v); err == nil && ref.ARN != "" && !slices.Contains(arns, ref.ARN) {
				arns = append(arns, ref.ARN)
			}
		}
	}
	for _, stanza := range []string{"consulAgent", "acl", "app"} {
		walk(c.doc.Obj(stanza))
	}
	if len(arns) > 0 {
		c.say(Todo, "taskRoleArn", "must allow secretsmanager:GetSecretValue (ssm:GetParameter for parameters) on %s: meshtask reads them itself; the execution role no longer needs to", strings.Join(arns, ", "))
		if c.def.Str("taskRoleArn") == "" {
			c.say(Todo, "taskRoleArn", "is missing: without one the secrets cannot be read")
		}
	}
}
