package taskdef

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/jsontree"
	"meshtask/internal/plan"
	"meshtask/internal/servicename"
)

// tagGateway tells the ACL controller which rights a gateway needs.
const tagGateway = "consul.hashicorp.com/gateway-kind"

// RenderGateway makes a Fargate task definition of a gateway of this kind: one container, whose
// image has meshtask and envoy, and with an agent consul. Of the description Command and Health are
// not for it; Port is what an API gateway listens on.
func RenderGateway(kind string, d Description, o Options) (*Result, error) {
	if len(d.Command) > 0 || d.Health != "" || o.Job || o.Inject || o.Layout != "" {
		return nil, errors.New("--gateway: a gateway has no app: leave out --command, --health, --layout, --inject and --job")
	}
	if err := d.complete(); err != nil {
		return nil, err
	}
	c := &conversion{opt: o}
	own, err := o.own()
	if err != nil {
		return nil, err
	}
	doc := jsontree.New("gateway", jsontree.New("kind", kind))
	if len(o.RetryJoin) > 0 {
		doc.Sub("consulAgent").Set("retryJoin", jsontree.Texts(o.RetryJoin))
	}
	doc.Merge(own)
	if !o.configHas("shutdown", "stopTimeout") {
		doc.Sub("shutdown").Set("stopTimeout", "30s")
	}
	container := jsontree.New("name", d.Name, "image", d.Image, "essential", true, "entryPoint", jsontree.Texts([]string{cmp.Or(o.Binary, "meshtask"), "run"}))
	c.def, c.runner, c.doc, c.noAgent = d.task(container), container, doc, own.Has("consulServers")
	cfg, err := c.gatewayConfig(doc)
	if err != nil {
		return nil, err
	}
	port := d.Port
	if cfg.Gateway.Kind != config.APIGatewayKind {
		port = cfg.Gateway.LANPort()
	}
	d.reach(container, port)
	c.check(container, 0, cmp.Or(o.Binary, "meshtask"))
	container.Set("stopTimeout", jsontree.Number(int(cfg.Shutdown.StopTimeout.Duration/time.Second)))
	setVariable(container, configName, jsontree.Compact(doc))
	c.def.Set("tags", []any{jsontree.New("key", tagMesh, "value", "true"),
		jsontree.New("key", tagService, "value", cmp.Or(cfg.Gateway.Name, servicename.Default(d.Name))), jsontree.New("key", tagGateway, "value", cfg.Gateway.Kind)})
	c.say(Note, "tags", "the ECS service needs propagateTags TASK_DEFINITION, so that the ACL controller knows the gateway")
	if cfg.Gateway.Kind == config.APIGatewayKind {
		c.say(Note, at(container, "healthCheck"), "it fails until the gateway has a route, and ECS then replaces the task: write the api-gateway entry and a route first")
		if port == 0 {
			c.say(Todo, at(container, "portMappings"), "give --port: a listener's port in the api-gateway config entry")
		}
	}
	c.say(Todo, at(container, "image"), "%s must hold %s (docs/gateways.md)", d.Image, c.programs())
	out := jsontree.Pretty(c.def, "image")
	return &Result{Old: out, New: out, Findings: c.findings}, nil
}

// gatewayConfig is the document as meshtask will read it.
func (c *conversion) gatewayConfig(doc *jsontree.Object) (*config.Config, error) {
	cfg, warnings, err := config.Load(config.Sources{AgentKeys: agentKeys(), Env: func(name string) (string, bool) {
		if name != configName {
			return "", false
		}
		return jsontree.Compact(doc), true
	}})
	if err != nil {
		if bad, ok := errors.AsType[*config.Errors](err); ok {
			bad.Source = "the configuration that was made"
		}
		return nil, err
	}
	for _, f := range warnings {
		level := Note
		if strings.HasPrefix(f.Path, "acl") || f.Path == "gateway.name" {
			level = Todo
		}
		c.say(level, configName+"."+f.Path, "%s", f.Text)
	}
	if err := cfg.Resolve(c.identity()); err != nil {
		return nil, err
	}
	p, err := plan.Stop(cfg, plan.Rows(cfg))
	if err != nil {
		return nil, err
	}
	c.say(Note, at(c.runner, "stopTimeout"), "%s", p)
	return cfg, nil
}
