package taskdef

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshtask/internal/config"
	"meshtask/internal/jsontree"
	"meshtask/internal/secret"
)

// configName is where the configuration goes in the new definition.
const configName = "MESHTASK_CONFIG_JSON"

// legacyName is consul-ecs's.
const legacyName = "CONSUL_ECS_CONFIG_JSON"

// configure makes the configuration: consul-ecs's document, or one from the
// options; then the agent's settings and the secrets; then the user's own.
func (c *conversion) configure() error {
	c.doc = jsontree.New()
	for _, container := range c.rest {
		if _, ok := variable(container, configName); ok {
			return fmt.Errorf("container %s has %s: this definition is for meshtask already", container.Str("name"), configName)
		}
	}
	if err := c.source(); err != nil {
		return err
	}
	c.delay()
	own, err := c.opt.own()
	if err != nil {
		return err
	}
	c.noAgent = c.doc.Has("consulServers") || own.Has("consulServers")
	if c.noAgent && len(c.opt.RetryJoin) > 0 {
		return errors.New("--retry-join: there are consulServers, so that the task has no agent that joins: give other servers as consulServers.hosts with --config")
	}
	switch container := c.parts[client]; {
	case container == nil:
	case c.noAgent:
		c.withoutAgent(container)
	default:
		c.agent(container)
	}
	if len(c.opt.RetryJoin) > 0 {
		c.doc.Sub("consulAgent").Set("retryJoin", jsontree.Texts(c.opt.RetryJoin))
	}
	c.secrets()
	if a := c.doc.Sub("acl"); c.acls && len(a.Keys()) == 0 && len(c.aside) == 0 {
		a.Set("enabled", true) // without a token, about which the configuration complains
	}
	c.proxyFlags()
	c.dataplaneFlags()
	c.doc.Merge(own)
	return nil
}

// own is the user's own configuration; empty where there is none.
func (o Options) own() (*jsontree.Object, error) {
	if o.Config == nil {
		return jsontree.New(), nil
	}
	v, err := parse(o.Config)
	own, ok := v.(*jsontree.Object)
	if err != nil || !ok {
		return nil, fmt.Errorf("--config: want a JSON object: %v", err)
	}
	return own, nil
}

// source begins the document.
func (c *conversion) source() error {
	for _, p := range append(slices.Clone(consulECS), proxy) {
		if container := c.parts[p]; container != nil {
			if text, ok := variable(container, legacyName); ok {
				return c.legacy(text)
			}
		}
	}
	switch {
	case c.parts[meshInit] == nil && c.parts[client] == nil && !c.legacyServers():
		return c.plain()
	case c.opt.Config == nil:
		return fmt.Errorf("the definition has containers of consul-ecs but no %s (v0.2 took flags, and later ones may read it elsewhere): give the service with --config FILE", legacyName)
	}
	return nil
}

// plain describes a service that was in no mesh yet.
func (c *conversion) plain() error {
	if c.opt.Name != "" {
		c.doc.Sub("service").Set("name", c.opt.Name)
	}
	port := c.opt.Port
	if c.opt.configHas("service", "port") {
		return nil
	}
	if port == 0 && !c.opt.Job {
		var found []int
		for _, app := range c.apps {
			for _, m := range app.Objects("portMappings") {
				if n := m.Num("containerPort"); n != 0 && !slices.Contains(found, n) {
					found = append(found, n)
				}
			}
		}
		said := "port mapping"
		if len(found) == 0 {
			found, said = c.ports, "port of App Mesh's AppPorts"
		}
		switch len(found) {
		case 0:
			c.say(Note, "service.port", "none: the app has no port mapping, so nothing is routed to the service; give --port if it listens")
		case 1:
			port = found[0]
			c.say(Note, "service.port", "%d, the app's only %s", port, said)
		default:
			return fmt.Errorf("which port takes the mesh's traffic? The apps have %v: give --port", found)
		}
	}
	if port != 0 {
		c.doc.Sub("service").Set("port", jsontree.Number(port))
		c.protocols()
	}
	return nil
}

// configHas says whether the user's own configuration has a field.
func (o Options) configHas(stanza, key string) bool {
	own, err := o.own()
	return err == nil && own.Obj(stanza).Has(key)
}

// legacy takes consul-ecs's document over.
func (c *conversion) legacy(text string) error {
	v, err := parse([]byte(text))
	if err != nil {
		return fmt.Errorf("%s: %w", legacyName, err)
	}
	old, _ := v.(*jsontree.Object) // Load says what else it may be
	env := map[string]string{legacyName: text}
	given := map[string]string{}
	switch {
	case old == nil || !old.Has("consulServers"):
		given["retry-join"] = "later"
	default:
		env["CONSUL_CACERT_PEM"] = "later"
	}
	cfg, warnings, err := config.Load(config.Sources{Mode: config.Run, Flags: given, Env: func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}})
	if err != nil {
		return err
	}
	if g := cfg.Gateway; g != nil {
		return fmt.Errorf("%s: gateway: the task is a gateway, which has no app to convert: see meshtask taskdef render --gateway %s; meshtask run reads this document as it is", legacyName, g.Kind)
	}
	if c.opt.Name != "" || c.opt.Port != 0 {
		c.say(Note, "service", "as in %s; --name and --port are for definitions that have none", legacyName)
	}
	c.unknown(old.Obj("service"), "service", warnings)
	c.unknown(old.Obj("proxy"), "proxy", warnings)
	c.unknown(old.Obj("proxy").Obj("expose"), "proxy.expose", warnings)
	if s := old.Obj("service"); s.Has("port") && s.Num("port") == 0 {
		s.Del("port")
		c.say(Note, legacyName+".service.port", "0 dropped: outbound_only, so nothing is routed to the service")
	}
	if old.Has("consulServers") {
		c.servers(old, warnings)
	}
	for _, key := range []string{"service", "proxy", "healthSyncContainers"} {
		if old.Has(key) {
			c.doc.Set(key, old.Get(key))
		}
	}
	if old.Has("bootstrapDir") {
		c.say(Note, legacyName+".bootstrapDir", "%s dropped: the bootstrap goes to meshtask's state directory", old.Str("bootstrapDir"))
	}
	if old.Has("logLevel") {
		c.doc.Sub("log").Set("level", strings.ToLower(old.Str("logLevel")))
	}
	if cfg.ACL.Login != nil {
		return c.login(cfg.ACL.Login)
	}
	for _, key := range []string{"consulHTTPAddr", "consulCACertFile", "consulLogin"} {
		if old.Has(key) {
			c.say(Note, legacyName+"."+key, "dropped: it is for the login, which is off")
		}
	}
	return nil
}

// unknown drops what consul-ecs let pass; meshtask refuses it.
func (c *conversion) unknown(in *jsontree.Object, path string, warnings []config.Finding) {
	named := map[string]string{}
	for _, f := range warnings {
		if strings.HasPrefix(f.Text, "unknown key") {
			named[f.Path] = f.Text
		}
	}
	in.Keep(func(key string, _ any) bool {
		text, ok := named[jsontree.Join(path, key)]
		_, instead, hint := strings.Cut(text, ": ")
		switch at := legacyName + "." + path + "." + key; {
		case !ok:
			return true
		case key == "healthCheckPort": // which the Terraform module always writes
			c.say(Note, at, "dropped: %s", instead)
		case hint:
			c.say(Lost, at, "dropped: %s", instead)
		default:
			c.say(Note, at, "dropped: consul-ecs never read it")
		}
		return false
	})
}

// login is acl.login, from consulLogin, consulHTTPAddr and consulCACertFile.
func (c *conversion) login(l *config.Login) error {
	file := l.CACert
	if c.doc.Has("consulServers") {
		file = secret.Ref{} // one of the servers is logged in to, with their CA
	}
	l.CACert = secret.Ref{}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	v, err := parse(text)
	if err != nil {
		return err
	}
	in := v.(*jsontree.Object)
	if l.IncludeEntity {
		in.Del("includeEntity") // the default
	}
	c.doc.Sub("acl").Set("login", in)
	c.say(Note, legacyName+".consulLogin", "is acl.login now; its token serves registration, checks and Envoy")
	switch {
	case file.IsZero():
	case strings.HasPrefix(file.Path, "/consul/"):
		c.say(Note, legacyName+".consulCACertFile", "%s dropped: the CA is a reference now", file.Path)
	default:
		in.Set("caCert", file.String())
	}
	return nil
}

// delay maps consul-ecs's app-entrypoint, which held TERM back for a while.
func (c *conversion) delay() {
	for _, app := range c.apps {
		if d := shutdownDelay(app); d > c.held {
			c.held = d
			c.doc.Sub("shutdown").Sub("drain").Set("min", d.String())
			c.say(Note, at(app, "entryPoint"), "app-entrypoint's -shutdown-delay %s is shutdown.drain.min: the app is told to stop no earlier. Without it the drain ends with the last request", d)
		}
	}
}

// variable reads one of a container's plain variables.
func variable(container *jsontree.Object, name string) (string, bool) {
	for _, e := range container.Objects("environment") {
		if e.Str("name") == name {
			return e.Str("value"), true
		}
	}
	return "", false
}

// secretFrom reads where one of a container's secrets comes from.
func secretFrom(container *jsontree.Object, name string) (string, bool) {
	for _, s := range container.Objects("secrets") {
		if s.Str("name") == name {
			return s.Str("valueFrom"), true
		}
	}
	return "", false
}

// load checks the finished document as meshtask will, in the container that it is for.
func (c *conversion) load(doc *jsontree.Object) (*config.Config, []config.Finding, error) {
	s := config.Sources{Mode: c.mode(), AgentKeys: agentKeys(), Env: func(name string) (string, bool) {
		if name == configName {
			return jsontree.Compact(doc), true
		}
		if _, ok := secretFrom(c.runner, name); ok && (name == httpsCA || name == grpcCA || name == "CONSUL_CACERT_PEM" || name == "CONSUL_CACERT") {
			return "a secret", true
		}
		return variable(c.runner, name)
	}}
	if c.opt.Layout == Single {
		s.Command = []string{"app"}
	}
	cfg, warnings, err := config.Load(s)
	if bad, ok := errors.AsType[*config.Errors](err); ok {
		bad.Source = "the configuration that was made"
	}
	return cfg, warnings, err
}
